"""`score`: scores of the rows of a table."""

import itertools
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from rankkit.ranking.scoring import scores_of
from rankkit.spark._jobs import HASH, WRITTEN, JobFolder, hashed, parts_to_deal, told, written_parts
from rankkit.spark._session import session_of
from rankkit.spark._tables import Shipped, as_frame, check_columns, features_of, scorer_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class PartScorer(NamedTuple):
    """Scores rows, and writes them beside their scores.

    Attributes:
        folder: Where to write.
        model: Name of the model's folder on the workers.
    """

    folder: JobFolder
    model: str

    def score(self, part: int, batches: Iterator[pa.RecordBatch]) -> None:
        """Scores one part, or finds that the very same rows are scored already.

        Args:
            part: Its number.
            batches: Its rows.

        Raises:
            ValueError: If other rows were written as this part before.
        """
        notes = {"rows": 0, "sum": 0}
        if self.folder.has(part):
            for batch in batches:
                _note(notes, batch)
            if self.folder.notes_of(part) != notes:
                raise other_rows(part)
        elif (first := next(batches, None)) is not None:
            self._write(part, itertools.chain([first], batches), first.schema, notes)

    def _write(
        self, part: int, batches: Iterable[pa.RecordBatch], schema: pa.Schema, notes: dict[str, int]
    ) -> None:
        scorer = scorer_of(self.model)
        schema = schema.remove(schema.get_field_index(HASH)).append(pa.field("score", pa.float32()))
        with self.folder.write(part, schema, notes) as writer:
            for batch in batches:
                rows = pa.Table.from_batches([batch])
                features = features_of("pairs", rows, scorer.feature_specs)
                scores = scores_of(scorer, [features], batch.num_rows)
                columns = [*rows.drop([HASH]).columns, pa.array(scores, pa.float32())]
                writer.write_table(pa.table(columns, schema=schema))
                _note(notes, batch)


def _note(notes: dict[str, int], batch: pa.RecordBatch) -> None:
    notes["rows"] += batch.num_rows
    notes["sum"] += int(batch.column(HASH).to_numpy().sum())


def other_rows(part: int) -> ValueError:
    """Words that a part that was written is not one of this run."""
    return ValueError(
        "pairs must come in the partitions that they came in before, to go on with a job. Got: "
        f"other rows than those in part {part} of output. Write the table to Parquet and score "
        "that, or name another folder."
    )


def score(
    export: str | os.PathLike[str],
    pairs: Any,
    *,
    output: str | os.PathLike[str],
    spark: Any = None,
) -> "DataFrame":
    """Scores every row of a table, such as pairs of user and candidate.

    Rows are scored where they are, and written beside their scores; only those of a table with
    fewer partitions than there are cores are dealt out anew. Each partition is one Parquet file in
    `output`: the same call after an interruption does what is missing.

    Args:
        export: Folder of a SavedModel of `rankkit.export.save`, on this machine: it is sent to
            the workers.
        pairs: The rows: a Spark DataFrame, the path of a Parquet table, a pandas DataFrame, or a
            dict of columns. Columns that are no features are carried along.
        output: Folder to write, a path or a URI such as `"hdfs://..."` or `"s3://..."` that all
            machines see: new, empty or that of the same job.
        spark: The `SparkSession` to work in. Defaults to `None`: the active one, or a new one
            with all cores of this machine.

    Returns:
        The table in `output`: the columns of `pairs`, and `score`.

    Raises:
        ImportError: If pyspark is not installed.
        RuntimeError: If there is no Java that Spark starts with.
        FileNotFoundError: If there is no export.
        ValueError: If the export is none of rankkit; if a feature is missing or null; if `output`
            holds another job, or the rows come in other partitions than before; if a score is not
            finite.
        TypeError: If a column is of another kind than its feature.
    """
    session = session_of(spark)
    model = Shipped(session, export)
    frame = as_frame(session, "pairs", pairs)
    check_columns(model.specs, ("score", HASH), pairs=frame)
    folder = JobFolder.at(output)
    columns = [f"{field.name} {field.dataType.simpleString()}" for field in frame.schema]
    identity = {"job": "score", "model": model.sha256, "columns": columns}
    parts = folder.claim(identity, parts_to_deal(frame))
    if not folder.is_finished():
        _score_all(PartScorer(folder, model.name), frame, parts)
        folder.finish()
    return folder.read(session, frame.schema, score="float")


def _score_all(scorer: PartScorer, frame: "DataFrame", parts: int | None) -> None:
    def score_part(batches):
        from pyspark import TaskContext

        context = TaskContext.get()
        assert context is not None
        part = context.partitionId()
        yield pa.RecordBatch.from_pydict(told(part, lambda: scorer.score(part, batches)))

    rows = frame.withColumn(HASH, hashed(frame.columns))
    if parts is not None:
        rows = rows.repartition(parts, HASH)
    written = written_parts(lambda: rows.mapInArrow(score_part, WRITTEN))
    for part in sorted(scorer.folder.done() - written):
        raise other_rows(part)
