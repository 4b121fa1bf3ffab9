"""What a user has chosen before, without the item in question, as one trained vector."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_list
from rankkit.core.partial import Kept, Part, Vector, of_equal_length
from rankkit.core.vocabulary import check_vocabulary, distinct_ids
from rankkit.layers._lookup import IdTable
from rankkit.layers._pooling import check_pooling, pooled, pooled_counts, scaled
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import invalid

# Up to so many users times items, histories are a matrix, a byte a cell: a product with it takes
# a fraction of the time that lists of members take.
_MATRIX = 2**26


@tf.keras.utils.register_keras_serializable(package="rankkit")
class HistoryEmbedding(EmbeddingLayer):
    """Pools the embeddings of all items in a user's history, except for the item to be scored.

    The implicit part of SVD++: who rated what tells a taste, whatever the ratings were. The
    histories stay in the network, so the ids of user and item are all that it reads. A row of the
    training set is in its own user's history, and would tell that it was rated; so the item in
    question never counts. It works the other way round too: an item's raters.

    Args:
        ids: The users, all `str` or all `int`, without duplicates.
        histories: The items of each user, without duplicates.
        embedding_dim: Width of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`, as in `rankkit.layers.TagsEmbedding`.
            Defaults to `"sqrtn"`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        Two tensors of `(batch,)`: users, and the items to be scored, each of `tf.string` or
        `tf.int64` as the known ones.

    Output shape:
        `(batch, embedding_dim)`, zero for unknown users and empty histories.

    Raises:
        ValueError: If there is no user, one comes twice, the numbers of users and histories
            differ, all histories are empty, or `pooling` is unknown.
        TypeError: If the layer is called with integers where its ids are strings, or the other
            way round.

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
        ids: Sequence[str] | Sequence[int],
        histories: Sequence[Sequence[Any]],
        embedding_dim: int,
        *,
        pooling: str = "sqrtn",
        **kwargs: Any,
    ):
        check_pooling(pooling)
        known = np.array(check_vocabulary("ids", ids), dtype=object)
        lists = [list(dict.fromkeys(history)) for history in histories]
        if len(lists) != len(known):
            raise invalid("histories", len(lists), f"one for each of {len(known)} ids")
        items = check_vocabulary("histories", dict.fromkeys(i for each in lists for i in each))
        super().__init__(len(items), embedding_dim, **kwargs)
        self.pooling = pooling
        self._ids = known
        self._table = IdTable(known.tolist())
        self._items = IdTable(items)
        place = dict(zip(items, range(len(items)), strict=True))
        places = [[place[item] for item in history] for history in lists]
        # The first row, without members, is that of unknown users.
        if (len(lists) + 1) * len(items) <= _MATRIX:
            rows = np.zeros((len(lists) + 1, len(items)), np.int8)  # 1 for each member
            for row, history in enumerate(places, start=1):
                rows[row, history] = 1
        else:
            longest = max(map(len, lists))
            rows = np.full((len(lists) + 1, longest), -1, np.int32)
            for row, history in enumerate(places, start=1):
                rows[row, : len(history)] = history
        with tf.init_scope():
            self._rows = tf.constant(rows)
        self._histories = np.fromiter(lists, object, len(lists))

    @classmethod
    def from_columns(
        cls, ids: Any, items: Any, embedding_dim: int, **kwargs: Any
    ) -> "HistoryEmbedding":
        """Makes the layer from training rows: who chose what.

        Args:
            ids: The user of each row.
            items: Its item.
            embedding_dim: Width of the vectors.
            **kwargs: Further arguments of the layer.
        """
        known = distinct_ids(ids)
        histories: dict[Any, list] = {}
        for each, item in zip(as_list(ids), as_list(items), strict=True):
            histories.setdefault(each, []).append(item)
        distinct_ids(items)  # names those that are no ids
        return cls(known, [sorted(histories[each]) for each in known], embedding_dim, **kwargs)

    @property
    def feature_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Shapes and dtypes of the two raw features, `(batch,)` each."""
        spec = tf.TensorSpec((None,), self._table.dtype)
        return spec, tf.TensorSpec((None,), self._items.dtype)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Gives `count` users and as many items of theirs, to try a network with."""
        places = np.linspace(0, len(self._ids) - 1, count, dtype=int)
        some = next(item for history in self._histories for item in history)
        items = [(self._histories[place] or [some])[-1] for place in places]
        return self._ids[places].tolist(), items

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the members, without the item itself.

        Args:
            inputs: Users and items, `(batch,)` each.

        Returns:
            `(batch, items)` of `tf.int8`, 1 for each member; where that is too large a matrix,
            `(batch, longest)` of `tf.int32`, the row of each member and -1 for none.
        """
        ids, items = inputs
        members, own = self._members(ids), self._own(items)
        if members.dtype == tf.int8:
            is_own = tf.one_hot(own, members.shape[1], True, False, dtype=tf.bool)
            return tf.where(is_own, tf.zeros_like(members), members)
        own = tf.cast(own, members.dtype)
        return tf.where(members == tf.expand_dims(own, -1), -tf.ones_like(members), members)

    def _members(self, ids: Any) -> tf.Tensor:
        places = self._table.find(self._table.check(ids, self.name)) + 1
        return tf.gather(self._rows, places)

    def _own(self, items: Any) -> tf.Tensor:
        return self._items.find(self._items.check(items, self.name))

    def call_parts(self, inputs: Sequence[Vector], kept: Kept) -> tf.Tensor:
        """A history is added up once, and each item then leaves itself out."""
        if self.compute_dtype != self.variable_dtype:  # no difference is exact in half precision
            return self(kept.whole(inputs))
        ids, items = (vector.parts[0] for vector in inputs)
        own_place = functools.cache(lambda: self._own(items.computed))
        members = self._members(kept.take(ids))
        own = kept.take(Part(items.sides, (None,), own_place))
        vector = kept.take(
            Part(items.sides, (None, None), lambda: self._embedding(tf.maximum(own_place(), 0)))
        )
        is_in = tf.cast(_is_member(members, own)[:, tf.newaxis], vector.dtype)
        counts = members if members.dtype == tf.int8 else tf.cast(members >= 0, tf.int8)
        number = tf.reduce_sum(tf.cast(counts, vector.dtype), axis=1, keepdims=True)
        return scaled(self._pooled(members, "sum") - is_in * vector, number - is_in, self.pooling)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self._pooled(codes, self.pooling)

    def _pooled(self, codes: tf.Tensor, pooling: str) -> tf.Tensor:
        pool = pooled_counts if codes.dtype == tf.int8 else pooled
        return pool(self._embedding, codes, pooling)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape[0]).concatenate(self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ids": self._ids.tolist(),
            "histories": self._histories.tolist(),
            "pooling": self.pooling,
        }


def _is_member(members: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
    """Whether items are among members, `(rows,)`, of one history or of one for each item."""
    if members.dtype != tf.int8:
        items = tf.cast(items, members.dtype)
        return tf.reduce_any(members == items[:, tf.newaxis], axis=1) & (items >= 0)
    rows, items = of_equal_length([tf.range(tf.shape(members, tf.int64)[0]), items])
    found = tf.gather_nd(members, tf.stack([rows, tf.maximum(items, 0)], axis=1))
    return (found > 0) & (items >= 0)
