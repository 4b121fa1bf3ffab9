"""What a worker does with one partition of rows."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa

from rankkit._scoring import scores_of
from rankkit.spark._folder import JobFolder
from rankkit.spark._jobs import HASH
from rankkit.spark._model import features_of, scorer_of


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
