"""Pooled embedding of a user's history without the item to be scored."""

import functools
from collections.abc import Sequence, Set
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_list, is_column
from rankkit.core.partial import ActivationCache, Part, Vector, repeat_to_equal_length
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import IdLookup, Ids, paired_columns
from rankkit.layers._pooling import POOLINGS, pool_counts, pool_lists, scale_sum
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_choice, wrong_type

# Up to this many cells (users times items), histories are stored as a matrix, one byte a cell:
# pooling by a matrix product takes a fraction of the time that pooling lists takes.
_MAX_MATRIX_CELLS = 2**26


@tf.keras.utils.register_keras_serializable(package="rankkit")
class HistoryEmbedding(EmbeddingLayer):
    """Pools the embeddings of all items in a user's history, except for the item to be scored.

    This is the implicit feedback of SVD++: which items a user has rated shows a taste, whatever
    the ratings. The histories are stored in the layer, which reads the ids of user and item. A
    training row is part of its own user's history, which would leak that the item was rated; so
    the item to be scored is always left out. Swap users and items to pool the users of an item.

    Args:
        ids: The users, all `str` or all `int`, without duplicates.
        histories: The items of each user; duplicates count once.
        embedding_dim: Dimension of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`, as in `TagsEmbedding`. Defaults to `"sqrtn"`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        Two tensors of `(batch,)`, users and items, of `tf.string` or `tf.int64` as the known ids.

    Output shape:
        `(batch, embedding_dim)`, zero for unknown users and empty histories.

    Raises:
        ValueError: If the users are empty or duplicated, there are more or fewer histories, all
            histories are empty, or `pooling` is unknown.
        TypeError: If a history is not a list, or the input has another type than the known ids.

    References:
        Koren, Factorization meets the neighborhood, KDD 2008.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.HistoryEmbedding(["7"], [["Heat", "Clue"]], 4)
        >>> layer.encode([tf.constant(["7"]), tf.constant(["Clue"])]).numpy().tolist()
        [[1, 0]]
    """

    def __init__(
        self,
        ids: Ids,
        histories: Sequence[Sequence[Any]],
        embedding_dim: int,
        *,
        pooling: str = "sqrtn",
        **kwargs: Any,
    ):
        check_choice("pooling", pooling, POOLINGS)
        lookup = IdLookup("ids", ids)
        lookup.check_one_per_id("histories", histories)
        for history in histories:
            if not is_column(history) and not isinstance(history, Set):
                fix = "Put a single item in a list."
                raise wrong_type("histories", history, "a list of items for each id", fix)
        lists = [list(dict.fromkeys(as_list(history, "histories"))) for history in histories]
        if not any(lists):
            raise ValueError("All histories are empty. Pass at least one item.")
        items = IdLookup("histories", list(dict.fromkeys(chain.from_iterable(lists))))
        super().__init__(len(items), embedding_dim, **kwargs)
        self.pooling = pooling
        self._lookup, self._items = lookup, items
        self._spec = lookup.spec, items.spec
        self.ids = lookup.ids
        self.histories = np.fromiter(lists, object, len(lists))
        index = {item: i for i, item in enumerate(items.ids)}
        indices = [[index[item] for item in history] for history in lists]
        # The first row, an empty history, is for unknown users.
        if (len(lists) + 1) * len(items) <= _MAX_MATRIX_CELLS:
            rows = np.zeros((len(lists) + 1, len(items)), np.int8)  # 1 for each member
            for row, history in enumerate(indices, start=1):
                rows[row, history] = 1
        else:
            longest = max(map(len, lists))
            rows = np.full((len(lists) + 1, longest), -1, np.int32)
            for row, history in enumerate(indices, start=1):
                rows[row, : len(history)] = history
        with tf.init_scope():
            self._rows = tf.constant(rows)

    @classmethod
    def from_columns(
        cls, ids: Any, items: Any, embedding_dim: int, **kwargs: Any
    ) -> "HistoryEmbedding":
        """Creates the layer for the users and items of training rows.

        Args:
            ids: The user of each row.
            items: The item of each row.
            embedding_dim: Dimension of the vectors.
            **kwargs: Further arguments of the layer.
        """
        users = distinct_ids(ids, name="ids")
        distinct_ids(items, name="items")  # raises if an item is not an id
        histories: dict[Any, list] = {}
        for user, item in paired_columns(ids=ids, items=items):
            histories.setdefault(user, []).append(item)
        return cls(users, [sorted(histories[user]) for user in users], embedding_dim, **kwargs)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Returns `count` example inputs: users, and items of their histories."""
        positions = np.linspace(0, len(self._lookup) - 1, count, dtype=int)
        fallback = next(item for history in self.histories for item in history)
        items = [(self.histories[position] or [fallback])[-1] for position in positions]
        return self._lookup.sample(count), items

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the histories of users, without the items to be scored.

        The result is `(batch, items)` of `tf.int8`, 1 for each member. If that matrix is too large
        for all users, it is `(batch, longest)` of `tf.int32`, the members padded with -1.
        """
        users, items = inputs
        members, own = self._members(users), self._items.find(items, self.name)
        if members.dtype == tf.int8:
            is_own = tf.one_hot(own, members.shape[1], True, False, dtype=tf.bool)
            return tf.where(is_own, tf.zeros_like(members), members)
        own = tf.cast(own, members.dtype)
        return tf.where(members == tf.expand_dims(own, -1), -tf.ones_like(members), members)

    def _members(self, users: Any) -> tf.Tensor:
        return tf.gather(self._rows, self._lookup.find(users, self.name) + 1)

    def call_parts(self, inputs: Sequence[Vector], kept: ActivationCache) -> tf.Tensor:
        """Pools each history once and subtracts the item to be scored from the sum."""
        if self.compute_dtype != self.variable_dtype:  # half precision cannot subtract exactly
            return self(kept.whole(inputs))
        users, items = (vector.parts[0] for vector in inputs)
        own_index = functools.cache(lambda: self._items.find(items.computed, self.name))
        members = self._members(kept.take(users))
        own = kept.take(Part(items.sides, (None,), own_index))
        vector = kept.take(
            Part(items.sides, (None, None), lambda: self._embedding(tf.maximum(own_index(), 0)))
        )
        is_in = tf.cast(_is_member(members, own)[:, tf.newaxis], vector.dtype)
        counts = members if members.dtype == tf.int8 else tf.cast(members >= 0, tf.int8)
        number = tf.reduce_sum(tf.cast(counts, vector.dtype), axis=1, keepdims=True)
        summed = self._pool(members, "sum")
        return scale_sum(summed - is_in * vector, number - is_in, self.pooling)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self._pool(codes, self.pooling)

    def _pool(self, members: tf.Tensor, pooling: str) -> tf.Tensor:
        pool = pool_counts if members.dtype == tf.int8 else pool_lists
        return pool(self._embedding, members, pooling)


def _is_member(members: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Whether items are in histories, `(batch,)`; items or histories may be a single one."""
    if members.dtype != tf.int8:
        items = tf.cast(items, members.dtype)
        return tf.reduce_any(members == items[:, tf.newaxis], axis=1) & (items >= 0)
    rows, items = repeat_to_equal_length([tf.range(tf.shape(members, tf.int64)[0]), items])
    found = tf.gather_nd(members, tf.stack([rows, tf.maximum(items, 0)], axis=1))
    return (found > 0) & (items >= 0)
