"""Resumable Spark jobs that write a folder with one Parquet file per partition."""

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


HASH, PARTITION = "_rankkit_hash", "_rankkit_part"  # columns that tables have during a job
PARTITIONS_PER_CORE = 8  # enough to keep all cores busy until the end
REPORT = "partition long, error string"  # schema of what workers report of a partition
_ERRORS = {error.__name__: error for error in (OSError, TypeError, ValueError, RuntimeError)}


def run_and_report(partition: int, write: Callable[[], None]) -> pa.Table:
    """Writes a partition on a worker, and returns a row of the schema `REPORT`."""
    # Errors are reported and not raised: Spark would retry, and then cancel all other partitions.
    message = None
    try:
        write()
    except Exception as error:  # of any type: TensorFlow, Arrow and file systems have their own
        kinds = (name for name, each in _ERRORS.items() if isinstance(error, each))
        reason = f"Partition {partition} failed on a worker: {type(error).__name__}: {error}"
        kind = next(kinds, None)
        message = f"RuntimeError: {reason}" if kind is None else f"{kind}: {error}"
    schema = pa.schema({"partition": pa.int64(), "error": pa.string()})
    return pa.Table.from_pydict({"partition": [partition], "error": [message]}, schema)


def collect_reports(make_frame: Callable[[], "DataFrame"]) -> set[int]:
    """Runs a job to its end, and returns its partitions; raises the first error reported."""
    with warnings.catch_warnings():
        # pandas is not used: the functions of the job get and return Arrow tables.
        message = "PySpark does not yet fully support pandas"
        warnings.filterwarnings("ignore", message, FutureWarning)
        frame = make_frame()
    rows = frame.collect()
    for row in rows:
        if row["error"] is not None:
            kind, _, message = row["error"].partition(": ")
            raise _ERRORS[kind](message)
    return {row["partition"] for row in rows}


def partitions_for_all_cores(frame: "DataFrame") -> int | None:
    """Returns how many partitions a table needs; `None` if it has one for each core already."""
    session = frame.sparkSession
    cores = session.sparkContext.defaultParallelism
    name = "spark.sql.adaptive.enabled"  # with it, Spark would run half the query to count them
    before = session.conf.get(name) or "true"
    session.conf.set(name, "false")
    try:
        partitions = frame.select("*").rdd.getNumPartitions()
    finally:
        session.conf.set(name, before)
    return PARTITIONS_PER_CORE * cores if partitions < cores else None


def hash_columns(columns: list[str]) -> "Column":
    """Returns a reproducible hash of each row, from 0 to 2**31 - 1."""
    from pyspark.sql import functions

    quoted = [functions.col(f"`{name}`") for name in columns]
    return functions.pmod(functions.xxhash64(*quoted), functions.lit(2**31))


def fingerprint(frame: "DataFrame") -> dict[str, Any]:
    """Computes a fingerprint of the rows of a table in any order, as JSON types."""
    from pyspark.sql import functions

    sums = functions.count("*"), functions.sum(hash_columns(frame.columns))
    rows, total = frame.agg(*sums).collect()[0]
    return {"columns": frame.columns, "rows": rows, "sum": total or 0}


_JOB, _SUCCESS = "_job.json", "_SUCCESS"  # Spark and Arrow skip names that start with "_"
_PARTITION_FILE = re.compile(r"part-(\d{5,})\.parquet")


class JobFolder(NamedTuple):
    """A folder that belongs to one job."""

    uri: str
    files: fs.SubTreeFileSystem

    @classmethod
    def at(cls, output: Any) -> "JobFolder":
        """Returns the folder at a path or URI."""
        uri = str(output) if "://" in str(output) else Path(output).absolute().as_uri()
        system, path = fs.FileSystem.from_uri(uri)
        return cls(uri, fs.SubTreeFileSystem(path, system))

    def _file_names(self) -> list[str]:
        found = self.files.get_file_info(fs.FileSelector("", allow_not_found=True))
        return [info.base_name for info in found]

    def claim(self, identity: Mapping[str, Any], num_partitions: int | None) -> int | None:
        """Creates the folder, or checks that it is of the same job, with the same `identity`.

        Returns the number of partitions with which the job was first started.
        """
        names = self._file_names()
        message = (
            "output must be a new or empty folder, or the folder of the same job. "
            f"Got: output={self.uri!r}"
        )
        saved = self._read_job() if _JOB in names else None
        if saved is not None:
            if different := [key for key, value in identity.items() if saved.get(key) != value]:
                raise ValueError(
                    f"{message}, the folder of a job that differs in: {', '.join(different)}. "
                    "Name another folder."
                )
            return saved["parts"]
        if _JOB in names and len(names) > 1:  # a file alone was being written as Spark was killed
            raise ValueError(f"{message}, whose {_JOB} is damaged. Name another folder.")
        if names and _JOB not in names:
            raise ValueError(f"{message}, which contains {min(names)!r}. Name another folder.")
        self.files.base_fs.create_dir(self.files.base_path, recursive=True)
        with self.files.open_output_stream(_JOB) as file:
            file.write(json.dumps({**identity, "parts": num_partitions}, indent=2).encode())
        return num_partitions

    def _read_job(self) -> dict[str, Any] | None:
        """Reads the description of the job; `None` if it is damaged."""
        with self.files.open_input_stream(_JOB) as file, contextlib.suppress(ValueError):
            saved = json.loads(file.read())
            return saved if isinstance(saved, dict) and "parts" in saved else None
        return None

    def is_finished(self) -> bool:
        """Whether all partitions are written."""
        return _SUCCESS in self._file_names()

    def written_partitions(self) -> set[int]:
        """Returns the numbers of the partitions that are written."""
        matches = map(_PARTITION_FILE.fullmatch, self._file_names())
        return {int(match[1]) for match in matches if match}

    def has(self, partition: int) -> bool:
        """Whether a partition is written."""
        return self.files.get_file_info(_file(partition)).type == fs.FileType.File

    def read_metadata(self, partition: int) -> dict[str, Any]:
        """Reads the metadata that a partition was written with."""
        metadata = pq.read_metadata(_file(partition), filesystem=self.files).metadata
        return json.loads(metadata[b"rankkit"])

    @contextlib.contextmanager
    def write(self, partition: int, schema: pa.Schema, metadata: dict[str, Any]) -> Iterator[Any]:
        """Yields a `pyarrow.parquet.ParquetWriter`; the file appears whole or not at all.

        `metadata`, of JSON types, is written last: the caller may fill it in the meantime.
        """
        scratch = f".part-{uuid.uuid4().hex}"  # Spark may run another attempt as well
        try:
            with pq.ParquetWriter(
                scratch, schema, filesystem=self.files, write_page_checksum=True
            ) as writer:
                yield writer
                writer.add_key_value_metadata({"rankkit": json.dumps(metadata)})
            self.files.move(scratch, _file(partition))
        except BaseException:
            with contextlib.suppress(OSError):
                self.files.delete_file(scratch)
            raise

    def read(self, spark: "SparkSession", fields: Iterable[Any], **added: str) -> "DataFrame":
        """Returns the table of all partitions: `fields` of the input, and `added` name to type."""
        from pyspark.sql.types import StructType

        schema = StructType(list(fields))
        for name, kind in added.items():
            schema = schema.add(name, kind)
        return spark.read.schema(schema).parquet(self.uri)

    def finish(self) -> None:
        """Marks the job as finished, and removes the files of attempts that were killed."""
        for name in self._file_names():
            if name.startswith(".part-"):
                self.files.delete_file(name)
        self.files.open_output_stream(_SUCCESS).close()


def _file(partition: int) -> str:
    return f"part-{partition:05d}.parquet"
