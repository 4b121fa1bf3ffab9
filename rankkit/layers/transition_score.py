"""The score of an item by the transitions from the items of a history."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.partial import ActivationCache, Part, Vector, repeat_to_equal_length
from rankkit.layers._lookup import IdLookup, Ids
from rankkit.layers._sequence import is_event, newest_last, separate
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import check_integer, check_number


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TransitionScore(FeatureLayer):
    """Scores the candidate by how often it followed the items of a history, with fixed weights.

    `rankkit.models.ItemTransitions.network` builds a network of this layer and sets its weights:
    the items that most often followed each item, and how often. They are not trained. In a new
    layer, every score is 0.

    Args:
        ids: The items, all `str` or all `int`, without duplicates.
        num_followers: Number of followers that each item has.
        decay: Weight of an item of the history relative to the next more recent one, in [0, 1].
            Defaults to `0.6`.
        max_length: Number of known items of a history that are read: the last ones. Defaults to
            `50`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        The column of histories, `(batch, length)`, with the oldest event first and `""` or -1 as
        padding, and the column of candidates, `(batch,)`.

    Output shape:
        `(batch, 1)`, zero for an unknown candidate or an empty history.

    Raises:
        ValueError: If there are no ids, one is a duplicate, or a number is out of range.
        TypeError: If the input has another type than the ids.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rows = {"user_id": [1, 1, 2, 2, 2], "item_id": ["a", "b", "a", "c", "b"]}
        >>> transitions = rk.models.ItemTransitions(rows, timestamp=None, gap_decay=0.5, power=0.0)
        >>> layer = transitions.network().layers[-1]
        >>> layer([tf.constant([["a"]] * 2), tf.constant(["b", "c"])]).numpy().tolist()
        [[1.5], [1.0]]
    """

    def __init__(
        self,
        ids: Ids,
        num_followers: int,
        *,
        decay: float = 0.6,
        max_length: int = 50,
        **kwargs: Any,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self._lookup = IdLookup("ids", ids)
        self.ids = self._lookup.ids
        self.num_followers = check_integer("num_followers", num_followers)
        self.decay = check_number("decay", decay, "a number in [0, 1]", least=0, most=1)
        self.max_length = check_integer("max_length", max_length)
        dtype = self._lookup.dtype
        self._spec = (tf.TensorSpec((None, None), dtype), self._lookup.spec)
        self._dim = 1

    def build(self, input_shape: Any) -> None:
        shape = len(self._lookup), self.num_followers
        fixed = {"trainable": False, "experimental_autocast": False}
        zeros = tf.keras.initializers.Zeros()
        self._followers = self.add_weight("followers", shape, tf.int32, zeros, **fixed)
        self._counts = self.add_weight("counts", shape, tf.float32, zeros, **fixed)
        super().build(input_shape)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Returns `count` example inputs: histories, one of them empty, and candidates."""
        items = [*self._lookup.sample(count - 1), self._lookup.unknown_id()]
        return [items[: row % 4] for row in range(count)], items

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up known items of histories, the most recent last, and the candidate; else -1."""
        history, item = inputs
        found = self._lookup.find(item, self.name)
        return tf.concat([self._encode_history(history), tf.expand_dims(found, 1)], axis=1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        history, item = codes[:, :-1], tf.cast(codes[:, -1:], tf.int32)
        followers, weights = self._weighted_followers(history)
        is_item = tf.cast(followers == tf.expand_dims(item, 2), weights.dtype)
        return tf.reduce_sum(weights * is_item, axis=[1, 2])[:, tf.newaxis]

    def call_parts(self, inputs: Sequence[Vector], kept: ActivationCache) -> tf.Tensor:
        """Scores all items by the history of a query, then looks up those of its candidates."""
        sides, columns, item = separate(inputs, kept)
        if sides & item.sides:
            return self(kept.whole(inputs))
        scores = kept.take(Part(sides, (None, None), lambda: self._score_all(columns())))
        codes = kept.take(
            Part(item.sides, (None,), lambda: self._lookup.find(item.computed, self.name))
        )
        rows = tf.range(tf.shape(scores, tf.int64)[0])
        cells = tf.stack(repeat_to_equal_length([rows, codes + 1]), axis=1)
        return tf.expand_dims(tf.gather_nd(scores, cells), 1)

    def score_items(self, histories: Sequence[Any], items: Any) -> tf.Tensor:
        """Scores the same items for several histories.

        Args:
            histories: The column of the histories in a list, as in a call.
            items: The items, `(items,)`.

        Returns:
            The scores, `(batch, items)`.
        """
        return tf.gather(
            self._score_all(histories), self._lookup.find(items, self.name) + 1, axis=1
        )

    def _encode_history(self, history: Any) -> tf.Tensor:
        items = self._lookup.find(history, self.name)
        is_known = is_event(tf.convert_to_tensor(history)) & (items >= 0)
        return newest_last(tf.expand_dims(items, 2), is_known, self.max_length)[:, :, 0]

    def _weighted_followers(self, history: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The followers of the items of histories and their weights, `(rows, slots, followers)`."""
        slots = tf.shape(history)[1]
        weights = self.decay ** tf.cast(slots - 1 - tf.range(slots), tf.float32)
        weights = tf.where(history >= 0, weights, tf.zeros_like(weights))
        rows = tf.maximum(history, 0)
        counts = tf.gather(self._counts, rows) * tf.expand_dims(weights, 2)
        return tf.gather(self._followers, rows), counts

    def _score_all(self, histories: Sequence[Any]) -> tf.Tensor:
        """The scores of all items, `(rows, 1 + items)`; first 0, that of unknown ones."""
        followers, weights = self._weighted_followers(self._encode_history(histories[0]))
        rows = tf.range(tf.shape(followers)[0])
        row = tf.broadcast_to(tf.reshape(rows, [-1, 1, 1]), tf.shape(followers))
        cells = tf.reshape(tf.stack([row, followers + 1], axis=3), [-1, 2])
        shape = tf.stack([tf.shape(followers)[0], len(self._lookup) + 1])
        return tf.scatter_nd(cells, tf.reshape(weights, [-1]), shape)
