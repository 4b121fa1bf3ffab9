"""The score of an item as the next one of a history, by causal self-attention."""

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.partial import ActivationCache, Part, Vector
from rankkit.layers._causal import CausalBlock
from rankkit.layers._norm import LayerNormalization
from rankkit.layers._sequence import SequenceLayer, is_event, separate
from rankkit.layers._softmax import log_sampled_softmax_of, log_softmax_of
from rankkit.layers.id_embedding import IdEmbedding
from rankkit.utils.errors import check_boolean, check_integer, check_share, invalid, wrong_type
from rankkit.utils.graph_errors import assert_in_graph


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NextItemScore(SequenceLayer):
    """Scores the candidate as the next item of a history (SASRec).

    Blocks of causal self-attention turn the events of a history into the state of the user. Their
    order enters by a learned bias of each distance between events, in place of position embeddings.
    The score is the dot product of the state and the vector of the candidate in the table that
    embeds the events, plus a bias of the candidate. `rankkit.models.sasrec` builds a network of it.

    Trained with `rankkit.losses.NextItemLoss`, the score is the logit of a softmax over all items,
    and each event is predicted from those before it in one pass over the history. The first one is
    predicted from a learned start vector, whose output is the state of an empty history. OOV items
    are read in histories, and never predicted, so that training moves unknown candidates below
    those of the training events.

    Args:
        item_layer: The `rankkit.layers.IdEmbedding` of the items. It must not be a feature of the
            network as well.
        side_layers: Layers that embed further columns of the history in vectors of the same
            dimension, such as the rating or the action. What they read must have been known at the
            time of the event, unlike the time from it to the row's own time. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        num_blocks: Number of blocks. Defaults to `2`.
        num_heads: Number of attention heads, which divides the dimension. Defaults to `2`.
        dropout_rate: Share of the inputs, of the attention weights and of the outputs of each block
            dropped in training, in [0, 1). Defaults to `0.2`.
        gated: Whether the residual connections and hidden layers of the blocks are gated (LiGR and
            SwiGLU), as in eSASRec. Defaults to `False`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        The column of histories, `(batch, length)`, with the oldest event first and `""` or -1 as
        padding; one such column for each of `side_layers`; and the column of candidates,
        `(batch,)`.

    Output shape:
        `(batch, 1)`.

    Raises:
        TypeError: If `item_layer` is not an `IdEmbedding`, or a side layer does not embed single
            values.
        ValueError: If a number is out of range, dimensions differ, `num_heads` does not divide the
            dimension, or the padding is an id of `item_layer`.
        tf.errors.InvalidArgumentError: If the columns of a history differ in length.

    References:
        Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018.
        Tikhonovich et al., eSASRec: enhancing transformer-based recommendations in a modular
        fashion, RecSys 2025.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.NextItemScore(rk.layers.IdEmbedding(["Heat", "Clue"], 4))
        >>> layer([tf.constant([["Heat", "Clue"], ["", ""]]), tf.constant(["Heat", "Clue"])]).shape
        TensorShape([2, 1])
    """

    def __init__(
        self,
        item_layer: Any,
        *,
        side_layers: Sequence[Any] = (),
        max_length: int = 50,
        num_blocks: int = 2,
        num_heads: int = 2,
        dropout_rate: float = 0.2,
        gated: bool = False,
        **kwargs: Any,
    ):
        super().__init__(item_layer, side_layers=side_layers, max_length=max_length, **kwargs)
        if not isinstance(item_layer, IdEmbedding):
            fix = "Its table has a row for each item to predict."
            raise wrong_type("item_layer", item_layer, "a rankkit.layers.IdEmbedding", fix)
        self.num_blocks = check_integer("num_blocks", num_blocks)
        self.num_heads = check_integer("num_heads", num_heads)
        self.dropout_rate = check_share("dropout_rate", dropout_rate)
        self.gated = check_boolean("gated", gated)
        if (dim := item_layer.embedding_dim) % self.num_heads:
            expected = f"a divisor of {dim}, the embedding_dim of item_layer"
            raise invalid("num_heads", self.num_heads, expected)
        self._dim = 1

    def build(self, input_shape: Any) -> None:
        dim, layers = self.item_layer.embedding_dim, tf.keras.layers
        self._start = self.add_weight("start", (dim,), experimental_autocast=False)
        self._bias = self.add_weight(
            "bias",
            (self.item_layer.num_embeddings,),
            initializer="zeros",
            experimental_autocast=False,
        )
        self._norms = [
            LayerNormalization(dtype=self.variable_dtype, name=f"norm_{i}") for i in range(2)
        ]
        self._dropout = layers.Dropout(self.dropout_rate, dtype=self.variable_dtype, name="dropout")
        self._blocks = [
            CausalBlock(
                self.num_heads,
                self.max_length + 1,
                self.dropout_rate,
                self.gated,
                self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(self.num_blocks)
        ]
        for part in (*self._norms, *self._blocks):
            part.build((None, dim))
        self.item_layer.embed(tf.zeros([0], tf.int64))  # builds the table
        super().build(input_shape)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        events, item = self._split(codes)
        states = self._states(events, last=True, training=training)
        scores = tf.reduce_sum(states * self._vectors(item), axis=1) + tf.gather(self._bias, item)
        return tf.expand_dims(scores, 1)

    def call_parts(self, inputs: Sequence[Vector], kept: ActivationCache) -> tf.Tensor:
        """Computes the state of a query once for all of its candidates."""
        sides, columns, item = separate(inputs, kept)
        if sides & item.sides:
            return self(kept.whole(inputs))
        dim = self.item_layer.embedding_dim

        def state() -> tf.Tensor:
            return self._states(self._encode_history(columns()), last=True)

        @functools.cache
        def codes() -> tf.Tensor:
            return self.item_layer.encode(item.computed)

        states = kept.take(Part(sides, (None, dim), state))
        vectors = kept.take(Part(item.sides, (None, dim), lambda: self._vectors(codes())))
        bias = kept.take(Part(item.sides, (None,), lambda: tf.gather(self._bias, codes())))
        return tf.expand_dims(tf.reduce_sum(vectors * states, axis=1) + bias, 1)

    def score_items(self, histories: Sequence[Any], items: Any) -> tf.Tensor:
        """Scores the same items as the next ones of several histories.

        Args:
            histories: The columns of the histories, as in a call.
            items: The items, `(items,)`.

        Returns:
            The scores, `(batch, items)`.
        """
        states = self._states(self._encode_history(histories), last=True)
        codes = self.item_layer.encode(items)
        products = tf.matmul(states, self._vectors(codes), transpose_b=True)
        return products + tf.gather(self._bias, codes)

    def log_probabilities(
        self,
        inputs: Sequence[Any],
        *,
        num_targets: int = 1,
        target_decay: float = 0.6,
        num_negatives: int | None = None,
        weights: Any = None,
        training: Any = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the log-probability of each event, given those before it, and of the candidate.

        Out-of-vocabulary (OOV) items have none: they are part of the histories alone.

        The gradients of the results are exact only for a loss that is proportional to the sum of
        the results, each times the weight of its row.

        Args:
            inputs: The columns, as in a call.
            num_targets: Number of following events, of which each result is a weighted mean.
                Defaults to `1`.
            target_decay: Weight of each following event relative to the one before. Defaults to
                `0.6`.
            num_negatives: Size of a sample of all items, over which the softmax is computed.
                Defaults to `None`: over all items.
            weights: Weights of the rows in the loss, `(batch,)`; not needed with `num_negatives`.
                Defaults to `None`: equal ones.
            training: Whether the layer is trained. Defaults to `None`.

        Returns:
            The log-probabilities, and the row of each, both `(events,)`.

        Raises:
            tf.errors.InvalidArgumentError: If a history has more than `max_length` events.
        """
        count = tf.reduce_sum(tf.cast(is_event(tf.convert_to_tensor(inputs[0])), tf.int32), axis=1)
        message = f"A sequence must have at most {self.max_length} items before the last one, the "
        message += f"max_length of layer {self.name!r}. Got: "
        fits, fix = tf.reduce_all(count <= self.max_length), ". Pass it to rankkit.data.sequences."
        with tf.control_dependencies([assert_in_graph(fits, message, tf.reduce_max(count), fix)]):
            events, item = self._split(self.encode(inputs))
        states = self._states(events, last=False, training=training)
        following = tf.concat([events[:, :, 0], tf.expand_dims(item, 1)], axis=1)
        num_oov = self.item_layer.num_oov_indices
        slots = tf.where(following >= num_oov)
        # Of each slot, the items from its next one on; -1 after the last one.
        after = tf.pad(following, [[0, 0], [0, num_targets - 1]], constant_values=-1)
        size = tf.shape(following)[1]
        targets = tf.stack([after[:, i : i + size] for i in range(num_targets)], axis=2)
        targets = tf.gather_nd(targets, slots)
        shares = tf.cast(targets >= num_oov, tf.float32) * target_decay ** tf.range(
            num_targets, dtype=tf.float32
        )
        shares /= tf.reduce_sum(shares, axis=1, keepdims=True)
        vectors = tf.gather_nd(states, slots)
        vectors = tf.concat([vectors, tf.ones_like(vectors[:, :1])], axis=1)
        table = tf.concat([self._table(), tf.expand_dims(self._bias, 1)], axis=1)
        given = vectors, table, tf.maximum(targets, 0), shares
        if num_negatives is None:
            weights = None if weights is None else tf.gather(weights, slots[:, 0])
            return log_softmax_of(*given, weights), slots[:, 0]
        seed = tf.random.uniform([2], maxval=2**31 - 1, dtype=tf.int32)
        return log_sampled_softmax_of(*given, num_negatives, seed), slots[:, 0]

    def _split(self, codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The numbers of events, `(rows, slots, numbers)`, and the row of the candidate."""
        numbers = sum(map(abs, self._sizes))
        return tf.reshape(codes[:, :-1], [tf.shape(codes)[0], -1, numbers]), codes[:, -1]

    def _states(self, codes: tf.Tensor, *, last: bool, training: Any = None) -> tf.Tensor:
        """The states before the first event and after each, or the `last` alone, `(rows, dim)`."""
        vectors, mask = self._embed_events(codes, training)
        # A slot before the first event is added. The mask of slots has it, that of events not.
        is_event = tf.pad(mask, [[0, 0], [1, 0]])
        is_seen = tf.pad(mask, [[0, 0], [0, 1]], constant_values=True)
        vectors = tf.pad(vectors, [[0, 0], [1, 0], [0, 0]])
        is_start = tf.expand_dims(is_seen & ~is_event, 2)
        x = tf.where(is_start, tf.cast(self._start, vectors.dtype), vectors)
        x = tf.reshape(x, [-1, x.shape[2]])
        x = self._dropout(self._norms[0](x), training=training)
        for block in self._blocks:
            x = block(x, is_seen, last and block is self._blocks[-1], training=training)
        x = self._norms[1](x)
        return x if last else tf.reshape(x, [-1, tf.shape(is_seen)[1], x.shape[1]])

    def _vectors(self, codes: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.item_layer.embed(codes), self.variable_dtype)

    def _table(self) -> tf.Tensor:
        """The vectors of all items, those of OOV items first."""
        return self._vectors(tf.range(self.item_layer.num_embeddings))
