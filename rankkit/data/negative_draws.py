"""Draws of candidates that a query has not chosen."""

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.data.encoded import numbered

_BITS = 40  # of the sum of all candidates' weights, whole numbers so that no sum is rounded


class NegativeDraws:
    """Draws candidates for rows, none of which the query of the row has chosen.

    Candidates lie one behind the other on a line, each as long as its weight. A place is drawn on
    the line without what the query has chosen, and moved on past that of it which lies before.

    Args:
        queries: The query of each choice; the first rows are those to draw for.
        items: The item that it has chosen, `(rows,)`.
        candidates: What is drawn from, each item once, `(candidates,)`.
        query: Name of the query's column, for errors.
        popularity: Power of the number of choices that candidates are drawn in proportion to.

    Raises:
        ValueError: If a query has chosen all that can be drawn.
    """

    def __init__(
        self,
        queries: np.ndarray,
        items: np.ndarray,
        candidates: np.ndarray,
        query: str,
        popularity: float,
    ):
        codes, distinct = numbered(queries.tolist())
        of_candidate = {each: code for code, each in enumerate(candidates.tolist())}
        size = len(candidates)
        chosen = np.array([of_candidate.get(each, -1) for each in items.tolist()])
        known = chosen >= 0
        counts = np.bincount(chosen[known], minlength=size)
        bits = min(_BITS, 62 - len(distinct).bit_length())
        weights = _whole_weights(counts, float(popularity), bits)
        until = np.cumsum(weights)
        pairs = np.unique(codes[known].astype(np.int64) * size + chosen[known])
        of_pair, item = pairs // size, pairs % size
        first = np.searchsorted(of_pair, np.arange(len(distinct)))  # of a query's pairs
        taken = np.concatenate([[0], np.cumsum(weights[item])])  # by all pairs before
        before = until[item] - weights[item] - (taken[:-1] - taken[first[of_pair]])
        left = until[-1] - (np.append(taken[first[1:]], taken[-1]) - taken[first])
        if (left <= 0).any():
            name = f"candidates that {query} {distinct[left.argmin()]!r} has not chosen"
            raise invalid(name, 0, "at least 1", "Leave such rows out, or give more candidates.")
        self._stride = int(until[-1]) + 1
        self._codes = tf.constant(codes, tf.int64)
        self._left = tf.constant(left, tf.int64)
        self._first = tf.constant(first, tf.int64)
        self._before = tf.constant(of_pair * self._stride + before, tf.int64)
        self._taken = tf.constant(taken, tf.int64)
        self._until = tf.constant(until, tf.int64)

    def draw(self, rows: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Draws candidates for rows.

        Args:
            rows: Numbers of rows, `(batch,)`.
            count: How many to draw for each; the same may come twice.
            seed: A pair that chooses them.

        Returns:
            Numbers of candidates, `(batch, count)`.
        """
        query = tf.repeat(tf.gather(self._codes, rows), count)
        numbers = tf.random.stateless_uniform(
            [tf.size(query)], seed, minval=None, maxval=None, dtype=tf.int64
        )
        place = numbers % tf.gather(self._left, query)
        passed = tf.searchsorted(
            self._before, query * self._stride + place, side="right", out_type=tf.int64
        )
        begin = tf.gather(self._first, query)
        place += tf.gather(self._taken, passed) - tf.gather(self._taken, begin)
        drawn = tf.searchsorted(self._until, place, side="right", out_type=tf.int64)
        return tf.reshape(drawn, [tf.shape(rows)[0], count])


def _whole_weights(counts: np.ndarray, popularity: float, bits: int) -> np.ndarray:
    """Gives whole weights in proportion to `counts**popularity`, at least 1 where that is not 0."""
    if popularity == 0:
        return np.ones(len(counts), np.int64)
    logs = popularity * np.log(np.maximum(counts, 1))
    chances = np.where(counts > 0, np.exp(logs - logs.max()), 0.0)
    scaled = np.rint(chances / max(chances.sum(), 1e-300) * 2.0**bits).astype(np.int64)
    return np.where(counts > 0, np.maximum(scaled, 1), 0)
