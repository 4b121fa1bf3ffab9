"""Folders and jobs that can be resumed."""

import contextlib
import json
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession


HASH, PART = "_rankkit_hash", "_rankkit_part"  # of a row, and which part it belongs to
PARTS_A_CORE = 8  # enough to keep all cores busy to the end
WRITTEN = "part long, error string"  # what workers tell of each part
_ERRORS = {error.__name__: error for error in (OSError, TypeError, ValueError)}


def told(part: int, write: Callable[[], None]) -> dict[str, pa.Array]:
    """Writes a part on a worker, and gives what is told of it, in the columns `WRITTEN`.

    An error is told, too: raised, Spark would try once more, and give up on all other parts.

    Args:
        part: Its number.
        write: Writes it.
    """
    error = None
    try:
        write()
    except tuple(_ERRORS.values()) as raised:
        kind = next(name for name, each in _ERRORS.items() if isinstance(raised, each))
        error = f"{kind}: {raised}"
    return {"part": pa.array([part], pa.int64()), "error": pa.array([error], pa.string())}


def written_parts(make_frame: Callable[[], "DataFrame"]) -> set[int]:
    """Runs a job that writes parts.

    Args:
        make_frame: Gives a DataFrame of what `told` gives.

    Returns:
        The numbers of the parts.

    Raises:
        ValueError, TypeError, OSError: What was told first. The other parts are written.
    """
    with warnings.catch_warnings():
        # Only the Arrow of these functions is used, and nothing of pandas.
        words = "PySpark does not yet fully support pandas"
        warnings.filterwarnings("ignore", words, FutureWarning)
        frame = make_frame()
    rows = frame.collect()
    for row in rows:
        if row["error"] is not None:
            kind, _, words = row["error"].partition(": ")
            raise _ERRORS[kind](words)
    return {row["part"] for row in rows}


def parts_to_deal(frame: "DataFrame") -> int | None:
    """Gives in how many parts to deal a table out that does not keep all cores busy, or `None`."""
    session = frame.sparkSession
    cores = session.sparkContext.defaultParallelism
    name = "spark.sql.adaptive.enabled"  # with which Spark would run half the query to say it
    before = session.conf.get(name) or "true"
    session.conf.set(name, "false")
    try:
        partitions = frame.select("*").rdd.getNumPartitions()
    finally:
        session.conf.set(name, before)
    return PARTS_A_CORE * cores if partitions < cores else None


def hashed(columns: list[str]) -> "Column":
    """Gives a hash of columns, from 0 on, that the same values always have."""
    from pyspark.sql import functions

    named = [functions.col(f"`{name}`") for name in columns]
    return functions.pmod(functions.xxhash64(*named), functions.lit(2**31))


def fingerprint(frame: "DataFrame") -> dict[str, Any]:
    """Tells the rows of a table, in any order, from others, in JSON's types."""
    from pyspark.sql import functions

    sums = functions.count("*"), functions.sum(hashed(frame.columns))
    rows, total = frame.agg(*sums).collect()[0]
    return {"columns": frame.columns, "rows": rows, "sum": total or 0}


_JOB, _SUCCESS = "_job.json", "_SUCCESS"  # which Spark and Arrow leave out when they read tables
_PART = re.compile(r"part-(\d{5,})\.parquet")


class JobFolder(NamedTuple):
    """A folder that belongs to one job.

    Attributes:
        uri: Where it is, as `pyarrow.fs.FileSystem.from_uri` takes it.
    """

    uri: str

    @classmethod
    def at(cls, output: Any) -> "JobFolder":
        """Gives the folder of a path or a URI."""
        output = str(output)
        return cls(output if "://" in output else Path(output).absolute().as_uri())

    def _open(self) -> tuple[fs.FileSystem, str]:
        return fs.FileSystem.from_uri(self.uri)

    def _names(self) -> list[str]:
        system, path = self._open()
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
        return [info.base_name for info in found]

    def claim(self, identity: Mapping[str, Any], parts: int | None) -> int | None:
        """Makes the folder that of a job, or finds that it is already.

        Args:
            identity: Name to what the results depend on, in JSON's types.
            parts: How many parts there are to be, if that is known.

        Returns:
            How many parts there are: as the folder has it, if it was begun before.

        Raises:
            ValueError: If it holds another job, or something else.
        """
        system, path = self._open()
        names = self._names()
        shown = f"output must be new, empty or that of this very job. Got: output={self.uri!r}"
        if _JOB in names:
            with system.open_input_stream(f"{path}/{_JOB}") as file:
                there = json.loads(file.read())
            if other := [key for key, value in identity.items() if there.get(key) != value]:
                raise ValueError(
                    f"{shown}, whose job has another {', '.join(other)}. Name another folder."
                )
            return there["parts"]
        if names:
            raise ValueError(f"{shown}, which holds {min(names)!r}. Name another folder.")
        system.create_dir(path, recursive=True)
        with system.open_output_stream(f"{path}/{_JOB}") as file:
            file.write(json.dumps({**identity, "parts": parts}, indent=2).encode())
        return parts

    def is_finished(self) -> bool:
        """Whether all parts are there."""
        return _SUCCESS in self._names()

    def done(self) -> set[int]:
        """The parts that are there."""
        return {int(found[1]) for name in self._names() if (found := _PART.fullmatch(name))}

    def has(self, part: int) -> bool:
        """Whether a part is there."""
        system, path = self._open()
        return system.get_file_info(_file(path, part)).type == fs.FileType.File

    def notes_of(self, part: int) -> dict[str, Any]:
        """What was noted of a part when it was written."""
        system, path = self._open()
        metadata = pq.read_metadata(_file(path, part), filesystem=system).metadata
        return json.loads(metadata[b"rankkit"])

    @contextlib.contextmanager
    def write(self, part: int, schema: pa.Schema, notes: dict[str, Any]) -> Iterator[Any]:
        """Writes a part, which appears whole or not at all.

        Args:
            part: Its number.
            schema: Its columns.
            notes: What is noted of it at the end, in JSON's types.

        Yields:
            A `pyarrow.parquet.ParquetWriter`.
        """
        system, path = self._open()
        scratch = f"{path}/.part-{uuid.uuid4().hex}"  # another attempt may be at work, too
        try:
            with pq.ParquetWriter(scratch, schema, filesystem=system) as writer:
                yield writer
                writer.add_key_value_metadata({"rankkit": json.dumps(notes)})
            system.move(scratch, _file(path, part))
        except BaseException:
            with contextlib.suppress(OSError):
                system.delete_file(scratch)
            raise

    def read(self, spark: "SparkSession", schema: Iterable[Any], **added: str) -> "DataFrame":
        """Gives the table of all parts.

        Args:
            spark: The session.
            schema: Fields of the columns that were there before.
            **added: Name of each further column to its type.
        """
        from pyspark.sql.types import StructType

        fields = StructType(list(schema))
        for name, kind in added.items():
            fields = fields.add(name, kind)
        return spark.read.schema(fields).parquet(self.uri)

    def finish(self) -> None:
        """Says that all parts are there, and removes what attempts that were killed have left."""
        system, path = self._open()
        for name in self._names():
            if name.startswith(".part-"):
                system.delete_file(f"{path}/{name}")
        system.open_output_stream(f"{path}/{_SUCCESS}").close()


def _file(path: str, part: int) -> str:
    return f"{path}/part-{part:05d}.parquet"
