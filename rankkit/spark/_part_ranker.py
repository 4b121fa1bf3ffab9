"""What a worker does with one part of the users."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rankkit.spark._best import Pairs, Side, best_candidates
from rankkit.spark._exclusions import Keys, places
from rankkit.spark._folder import JobFolder
from rankkit.spark._jobs import PART, told
from rankkit.spark._model import features_of, scorer_of


class PartRanker(NamedTuple):
    """Ranks the candidates for some users, and writes the best of each.

    Attributes:
        folder: Where to write.
        model: Name of the model's folder on the workers.
        candidates: The table of candidates, broadcast.
        k: At most this many of each user are written.
        keys: The columns of pairs to exclude, `None` without any.
    """

    folder: JobFolder
    model: str
    candidates: Any
    k: int
    keys: Keys | None

    def rank(self, users: pa.Table, exclude: pa.Table | None) -> pa.Table:
        """Ranks one part.

        Args:
            users: Its users.
            exclude: Pairs of these users.

        Returns:
            What is told of the part, if it has users.
        """
        if not users.num_rows:  # pairs of users who are not there
            return pa.table(told(0, lambda: None)).slice(1)
        part = users[PART][0].as_py()
        return pa.table(told(part, lambda: self._write(part, users.drop([PART]), exclude)))

    def _write(self, part: int, users: pa.Table, exclude: pa.Table | None) -> None:
        candidates = self.candidates.value
        excluded = Pairs(np.zeros(0, int), np.zeros(0, int))
        if self.keys is not None and exclude is not None:
            excluded = places(exclude, self.keys, users, candidates)
        scorer = scorer_of(self.model)
        specs = scorer.feature_specs
        pairs, scores = best_candidates(
            scorer,
            Side(features_of("users", users, specs), users.num_rows),
            Side(features_of("candidates", candidates, specs), candidates.num_rows),
            self.k,
            excluded,
        )
        table = _side_by_side(users.take(pairs.users), candidates.take(pairs.candidates))
        table = table.append_column("score", pa.array(scores, pa.float32()))
        table = table.append_column("rank", pa.array(_ranks(pairs.users), pa.int32()))
        with self.folder.write(part, table.schema, {}) as writer:
            writer.write_table(table)


def _side_by_side(one: pa.Table, other: pa.Table) -> pa.Table:
    names = [*one.column_names, *other.column_names]
    return pa.table([*one.columns, *other.columns], names=names)


def _ranks(owners: np.ndarray) -> np.ndarray:
    """Places within the rows of one user, from 1 on."""
    first = np.searchsorted(owners, owners)
    return np.arange(len(owners)) - first + 1
