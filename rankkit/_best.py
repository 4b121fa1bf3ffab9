"""The best candidates so far, and their order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit._queries import Columns


class Best:
    """Keeps the best candidates of those that it is shown, part by part.

    Args:
        k: At most so many, or `None` for all.
    """

    def __init__(self, k: int | None):
        self._k = k
        self._scores = np.zeros(0)
        self._candidates: list[Any] = []

    def add(self, columns: Columns, rows: Sequence[int], scores: np.ndarray) -> None:
        """Shows it further candidates, which come after those before them.

        Args:
            columns: Columns of candidates.
            rows: Which of them were scored.
            scores: Their scores, `(rows,)`.
        """
        places = best_places(scores, self._k)
        chosen = [rows[place] for place in places]
        if len(columns) == 1:
            (values,) = columns.values()
            self._candidates += [values[row] for row in chosen]
        else:
            self._candidates += [
                {name: values[row] for name, values in columns.items()} for row in chosen
            ]
        self._scores = np.concatenate([self._scores, scores[places]])
        if len(self._scores) > len(places):
            places = best_places(self._scores, self._k)
            self._scores = self._scores[places]
            self._candidates = [self._candidates[place] for place in places]

    def ranking(self) -> list[tuple[Any, float]]:
        """Gives `(candidate, score)`, best first."""
        return list(zip(self._candidates, self._scores.tolist(), strict=True))


def best_places(scores: np.ndarray, k: int | None) -> np.ndarray:
    """Gives the places of the best scores, best first; of equal ones, the first comes first.

    Args:
        scores: Finite scores, `(rows,)`.
        k: At most so many, or `None` for all.
    """
    if k is None or 2 * k > len(scores):
        return np.argsort(-scores, kind="stable")[:k]
    # Sorting all of them would take longer than scoring them.
    least = -np.partition(-scores, k - 1)[k - 1]
    among = np.flatnonzero(scores >= least)
    return among[np.argsort(-scores[among], kind="stable")[:k]]
