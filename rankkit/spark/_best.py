"""The best candidates of each of many users, by batches of scores."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rankkit._row_chunks import chunk_rows
from rankkit._scoring import scores_of


class Side(NamedTuple):
    """Users or candidates.

    Attributes:
        features: Feature name to values, one each.
        number: How many they are.
    """

    features: Mapping[str, tf.Tensor]
    number: int

    def between(self, start: int, end: int) -> "Side":
        """Gives those from a place on, before another place."""
        features = {name: column[start:end] for name, column in self.features.items()}
        return Side(features, min(end, self.number) - start)


class Pairs(NamedTuple):
    """Users with candidates, by their places.

    Attributes:
        users: In ascending order, `(pairs,)`.
        candidates: As many.
    """

    users: np.ndarray
    candidates: np.ndarray


def best_candidates(
    scorer: Any, users: Side, candidates: Side, k: int, excluded: Pairs
) -> tuple[Pairs, np.ndarray]:
    """Scores all users with all candidates, and keeps the best ones of each user.

    Several users are scored in one call, or one with a part of the candidates at a time. Of equal
    scores, the candidate that came first is ahead.

    Args:
        scorer: What maps a dict of columns to a score a row.
        users: The users.
        candidates: The candidates.
        k: At most this many are kept of each.
        excluded: What to leave out.

    Returns:
        Who was kept, of each user the best first, and the scores, `(pairs,)`.

    Raises:
        ValueError: If the scorer gives other than one finite score a row.
    """
    width = max(1, min(candidates.number, chunk_rows(scorer)))
    height = chunk_rows(scorer) // width
    places, scores = [np.zeros(0, int)], [np.zeros(0, np.float32)]
    counts = [np.zeros(0, int)]
    for start in range(0, users.number, height):
        low, high = np.searchsorted(excluded.users, [start, start + height])
        left_out = Pairs(excluded.users[low:high] - start, excluded.candidates[low:high])
        some = users.between(start, start + height)
        best, their_scores = _of_some(scorer, some, candidates, width, k, left_out)
        kept = np.isfinite(their_scores)
        places.append(best[kept])
        scores.append(their_scores[kept])
        counts.append(kept.sum(axis=1))
    owners = np.repeat(np.arange(users.number), np.concatenate(counts))
    return Pairs(owners, np.concatenate(places)), np.concatenate(scores)


def _of_some(
    scorer: Any, users: Side, candidates: Side, width: int, k: int, excluded: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores of the best, both `(users, at most k)`, minus infinity for none."""
    best = np.zeros((users.number, 0), int)
    best_scores = np.zeros((users.number, 0), np.float32)
    for first in range(0, candidates.number, width):
        some = candidates.between(first, first + width)
        scores = _scores(scorer, users, some)
        here = (first <= excluded.candidates) & (excluded.candidates < first + width)
        scores[excluded.users[here], excluded.candidates[here] - first] = -np.inf
        scores = np.concatenate([best_scores, scores], axis=1)
        new = np.broadcast_to(np.arange(first, first + some.number), (users.number, some.number))
        best = np.concatenate([best, new], axis=1)
        # Of equal scores, top_k puts the one that came first ahead.
        top, order = tf.math.top_k(scores, min(k, scores.shape[1]))
        best, best_scores = np.take_along_axis(best, order.numpy(), axis=1), top.numpy()
    return best, best_scores


def _scores(scorer: Any, users: Side, candidates: Side) -> np.ndarray:
    columns = {
        name: tf.repeat(column, candidates.number, axis=0)
        for name, column in users.features.items()
    }
    for name, column in candidates.features.items():
        columns[name] = tf.tile(column, [users.number, *[1] * (column.shape.rank - 1)])
    scores = scores_of(scorer, [columns], users.number * candidates.number)
    return scores.reshape(users.number, candidates.number)
