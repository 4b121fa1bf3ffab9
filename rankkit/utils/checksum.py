"""Checksums and descriptions of exported files, read when they are loaded or served."""

import hashlib
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

DESCRIPTION = "rankkit.json"  # name of the file

_MAGIC = b"rankkit-sha-256:"
_HEADER = 8  # bytes: where a flatbuffer begins, relative to its start, and its file type
_SEAL = 2 * (len(_MAGIC) + 32)  # a multiple of the alignment of TensorFlow Lite's buffers
# In a folder that TensorFlow and TensorFlow Serving ignore, and in the format of `sha256sum -c`.
_SUMS = Path("assets.extra", "SHA256SUMS")


def seal_flatbuffer(content: bytes, end: bytes = b"") -> list[bytes | memoryview]:
    """Returns the parts of a flatbuffer, and of an `end` that follows it, with their checksum."""
    # The checksum comes first, so that no truncated file appears to have been written without one,
    # and twice, so that one of them is recognized if the other is damaged. A flatbuffer may have
    # such a gap: all of its offsets are relative.
    start = int.from_bytes(content[:4], "little") + _SEAL
    header = start.to_bytes(4, "little") + content[4:_HEADER]
    body = memoryview(content)[_HEADER:]
    digest = hashlib.sha256(header)
    digest.update(body)
    digest.update(end)
    return [header, 2 * (_MAGIC + digest.digest()), body, end]


def check_flatbuffer(path: Path) -> bool:
    """Whether a file has a checksum; raises if it has a wrong one."""
    with path.open("rb") as file:
        header, seal = file.read(_HEADER), file.read(_SEAL)
        if _MAGIC not in seal:
            return False
        digest = hashlib.file_digest(file, lambda: hashlib.sha256(header))
    if seal != 2 * (_MAGIC + digest.digest()):
        raise ValueError("the file is damaged, its checksum differs")
    return True


def unzip_description(path: Path) -> dict[str, dict[str, Any]]:
    """Reads the description at the end of a `.tflite` file; it is empty without one."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        known = DESCRIPTION in archive.namelist()
        return parse_description(archive.read(DESCRIPTION).decode()) if known else {}


def parse_description(text: str) -> dict[str, dict[str, Any]]:
    """Parses a description; raises for one that only a newer version of rankkit could write."""
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ValueError(f"a newer version of rankkit wrote {DESCRIPTION}: update rankkit")
    return found


def seal_folder(folder: Path) -> None:
    """Writes the checksums of a SavedModel, except those of weights: TensorFlow has its own."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    lines = [
        f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n"
        for path in files
        if not path.name.startswith("variables.data")
    ]
    (folder / _SUMS).parent.mkdir(exist_ok=True)
    (folder / _SUMS).write_text("".join(lines))


def check_folder(folder: Path) -> bool:
    """Whether a SavedModel has checksums; raises if it has a wrong one."""
    if not (folder / _SUMS).exists():
        return False
    lines = (folder / _SUMS).read_text().splitlines()
    if not lines:
        raise ValueError(f"{_SUMS} is damaged, it has no checksum")
    for line in lines:
        digest, _, name = line.partition("  ")
        if sha256_of(folder / name) != digest:
            raise ValueError(f"{name} is damaged, its checksum differs")
    return True


def warn_without_checksum(path: Path) -> None:
    """Warns that damage to a file may go unnoticed."""
    warnings.warn(
        f"{str(path)!r} has no checksum, so damage to it may go unnoticed. Export it again with "
        "rankkit.export.save or to_tflite to add one.",
        stacklevel=4,
    )


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
