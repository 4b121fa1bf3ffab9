"""`score`: scores the rows of a table with Spark."""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from rankkit.ranking.scoring import compute_scores
from rankkit.spark._jobs import (
    HASH,
    REPORT,
    JobFolder,
    collect_reports,
    hash_columns,
    partitions_for_all_cores,
    run_and_report,
)
from rankkit.spark._session import get_session
from rankkit.spark._tables import ShippedModel, as_frame, check_columns, load_model, table_features
from rankkit.utils.errors import check_path

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def score(
    export: str | os.PathLike[str],
    pairs: Any,
    *,
    output: str | os.PathLike[str],
    spark: Any = None,
) -> "DataFrame":
    """Scores every row of a table, such as pairs of user and candidate.

    Each partition of the table becomes one Parquet file in `output`, with the scores as a further
    column. Rows are not shuffled, unless the table has fewer partitions than there are cores.
    If the job is interrupted, the same call resumes it and computes the missing partitions.

    Args:
        export: Local folder of a SavedModel of `rankkit.export.save`, which workers are sent.
        pairs: The rows: a Spark DataFrame, the path of a Parquet table, a pandas DataFrame, or a
            dict of columns. Columns that are not features are kept. Dates and timestamps are read
            as seconds since 1970 (UTC).
        output: Folder to write, a path or a URI such as `"hdfs://..."` or `"s3://..."` that all
            hosts can access. It is new or empty, or the folder of the job to resume.
        spark: The `SparkSession` to use. Defaults to `None`: the active session, or a new one with
            all cores of this host.

    Returns:
        The table in `output`: the columns of `pairs`, and `score`.

    Raises:
        ImportError: If pyspark is not installed.
        RuntimeError: If Spark cannot start Java, or a worker fails, such as for lack of memory.
        FileNotFoundError: If the export does not exist.
        ValueError: If the export is not a SavedModel of rankkit; if a feature is missing or null;
            if `output` is the folder of another job, or the rows are partitioned differently than
            before; if a score is not finite.
        TypeError: If a column has the wrong type for its feature.
    """
    export, output = check_path("export", export), check_path("output", output)
    session = get_session(spark)
    model = ShippedModel(session, export)
    frame = as_frame(session, "pairs", pairs)
    check_columns(model.specs, ("score", HASH), pairs=frame)
    folder = JobFolder.at(output)
    columns = [f"{field.name} {field.dataType.simpleString()}" for field in frame.schema]
    identity = {"job": "score", "model": model.sha256, "columns": columns}
    num_partitions = folder.claim(identity, partitions_for_all_cores(frame))
    if not folder.is_finished():
        _score_all(PartitionScorer(folder, model.name), frame, num_partitions)
        folder.finish()
    return folder.read(session, frame.schema, score="float")


class PartitionScorer(NamedTuple):
    """Writes the rows of a partition with their scores; `model` is that of `load_model`."""

    folder: JobFolder
    model: str

    def score(self, partition: int, batches: Iterator[pa.RecordBatch]) -> None:
        """Scores a partition, or checks that the same rows have been scored before."""
        metadata = {"rows": 0, "sum": 0}
        batches = _summed(batches, metadata)
        if self.folder.has(partition):
            for _ in batches:
                pass
            if self.folder.read_metadata(partition) != metadata:
                raise _different_rows(partition)
        elif (first := next(batches, None)) is not None:
            scorer = load_model(self.model)
            schema = first.schema.remove(first.schema.get_field_index(HASH))
            schema = schema.append(pa.field("score", pa.float32()))
            with self.folder.write(partition, schema, metadata) as writer:
                for batch in itertools.chain([first], batches):
                    rows = pa.Table.from_batches([batch])
                    features = table_features("pairs", rows, scorer.feature_specs)
                    scores = compute_scores(scorer, [features], batch.num_rows)
                    columns = [*rows.drop([HASH]).columns, pa.array(scores, pa.float32())]
                    writer.write_table(pa.table(columns, schema=schema))


def _summed(
    batches: Iterable[pa.RecordBatch], metadata: dict[str, int]
) -> Iterator[pa.RecordBatch]:
    """Yields batches, and adds up their numbers of rows and their hashes in the metadata."""
    for batch in batches:
        metadata["rows"] += batch.num_rows
        metadata["sum"] += int(batch.column(HASH).to_numpy().sum())
        yield batch


def _different_rows(partition: int) -> ValueError:
    return ValueError(
        "To resume a job, pairs must have the same rows in each partition as before. Got: other "
        f"rows than in partition {partition} of output. Write the table to Parquet and score that, "
        "or name another folder."
    )


def _score_all(scorer: PartitionScorer, frame: "DataFrame", num_partitions: int | None) -> None:
    def score_partition(batches):
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        partition = context.partitionId()
        yield from run_and_report(partition, lambda: scorer.score(partition, batches)).to_batches()

    rows = frame.withColumn(HASH, hash_columns(frame.columns))
    if num_partitions is not None:
        rows = rows.repartition(num_partitions, HASH)
    reported = collect_reports(lambda: rows.mapInArrow(score_partition, REPORT))
    for partition in sorted(scorer.folder.written_partitions() - reported):
        raise _different_rows(partition)
