"""Draws of candidates that a query has not chosen."""

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.data.encoded import numbered


class NegativeDraws:
    """Draws candidates for rows, none of which the query of the row has chosen.

    Args:
        queries: The query of each row, `(rows,)`.
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
        self._size = len(candidates)
        chosen = np.array([of_candidate.get(each, -1) for each in items.tolist()])
        counts = np.bincount(chosen[chosen >= 0], minlength=self._size)
        chances = counts.astype(float) ** popularity  # 0**0 is 1
        known = chosen >= 0
        pairs = np.unique(codes[known].astype(np.int64) * self._size + chosen[known])
        possible = pairs[chances[pairs % self._size] > 0]
        taken = np.bincount(possible // self._size, minlength=len(distinct))
        if taken.max(initial=0) >= np.count_nonzero(chances):
            name = f"candidates that {query} {distinct[taken.argmax()]!r} has not chosen"
            raise invalid(name, 0, "at least 1", "Leave such rows out, or give more candidates.")
        self._codes = tf.constant(codes, tf.int64)
        self._pairs = tf.constant(pairs, tf.int64)
        self._until = tf.constant(np.cumsum(chances) / chances.sum())
        self._uniform = bool((chances == chances[0]).all())

    def draw(self, rows: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Draws candidates for rows.

        Args:
            rows: Numbers of rows, `(batch,)`.
            count: How many to draw for each; the same may come twice.
            seed: A pair that chooses them.

        Returns:
            Numbers of candidates, `(batch, count)`.
        """
        query = tf.gather(self._codes, rows)[:, tf.newaxis] * self._size
        shape = [tf.shape(rows)[0], count]

        def again(round_: tf.Tensor, drawn: tf.Tensor, chosen: tf.Tensor) -> tuple:
            new = self._any(shape, tf.stack([seed[0], seed[1] + round_]))
            drawn = tf.where(chosen, new, drawn)
            return round_ + 1, drawn, self._is_chosen(query + drawn)

        begin = (tf.constant(0, tf.int64), tf.zeros(shape, tf.int64), tf.ones(shape, tf.bool))
        return tf.while_loop(lambda *state: tf.reduce_any(state[2]), again, begin)[1]

    def _any(self, shape: list, seed: tf.Tensor) -> tf.Tensor:
        if self._uniform:
            return tf.random.stateless_uniform(
                shape, seed, maxval=self._size, dtype=tf.int64, minval=0
            )
        places = tf.random.stateless_uniform(shape, seed, dtype=tf.float64)
        flat = tf.searchsorted(self._until, tf.reshape(places, [-1]), side="right")
        return tf.cast(tf.reshape(tf.minimum(flat, self._size - 1), shape), tf.int64)

    def _is_chosen(self, pairs: tf.Tensor) -> tf.Tensor:
        if not len(self._pairs):
            return tf.zeros_like(pairs, tf.bool)
        flat = tf.reshape(pairs, [-1])
        found = tf.minimum(tf.searchsorted(self._pairs, flat), len(self._pairs) - 1)
        return tf.reshape(tf.gather(self._pairs, found) == flat, tf.shape(pairs))
