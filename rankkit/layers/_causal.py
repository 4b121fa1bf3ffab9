"""Blocks of a transformer in which an event sees the events before it."""

from typing import Any

import tensorflow as tf

from rankkit.layers._dense import make_dense
from rankkit.layers._norm import LayerNormalization

_UNSEEN = -1e4  # the logit of padding and of events after the query


class CausalBlock(tf.keras.layers.Layer):
    """Self-attention over the events up to each one, and a dense layer, on normalized inputs.

    The weight of an event depends on its distance by a learned bias of each head. The vectors
    between blocks are of full precision. A `gated` block multiplies what it adds by a sigmoid of
    its input, and has a gated hidden layer (SwiGLU).
    """

    def __init__(
        self,
        num_heads: int,
        length: int,
        dropout_rate: float,
        gated: bool,
        dtype: Any,
        **kwargs: Any,
    ):
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        self._num_heads, self._length, self._rate = num_heads, length, dropout_rate
        self._gated = gated

    def build(self, input_shape: Any) -> None:
        dim, layers = input_shape[-1], tf.keras.layers

        def dense(units: int, activation: Any = None) -> tf.keras.layers.Dense:
            initializer = tf.keras.initializers.TruncatedNormal(stddev=0.02)
            return make_dense(units, self.dtype_policy, activation, kernel_initializer=initializer)

        self._by_distance = self.add_weight(
            "by_distance",
            (self._length, self._num_heads),
            initializer="zeros",
            experimental_autocast=False,
        )
        self._projected, self._attended = dense(3 * dim), dense(dim)
        self._hidden = dense((3 if self._gated else 4) * dim, None if self._gated else _gelu)
        self._outputs = dense(dim)
        if self._gated:
            self._hidden_gate = dense(3 * dim, "swish")
            self._gates = [dense(dim, "sigmoid") for _ in range(2)]
        self._norms = [LayerNormalization(dtype=self.variable_dtype) for _ in range(2)]
        self._dropouts = [
            layers.Dropout(self._rate, dtype=self.dtype_policy, name=f"dropout_{i}")
            for i in range(3)
        ]
        super().build(input_shape)

    def call(self, x: tf.Tensor, mask: tf.Tensor, last: bool, training: Any = None) -> tf.Tensor:
        """Returns the new vectors of the slots, or with `last` of the last slot of each row alone.

        Args:
            x: Vectors of the slots, one row after another, `(rows * slots, dim)`.
            mask: False for slots without an event, `(rows, slots)`.
            last: Whether only the last slot is needed.
            training: Whether the layer is trained.
        """
        dim, heads, slots = x.shape[1], self._num_heads, tf.shape(mask)[1]
        projected = tf.reshape(self._projected(self._norms[0](x)), [-1, slots, 3 * dim])
        # For a single history, oneDNN takes long to transpose, and to compute tf.nn.softmax.
        parts = tf.split(projected, 3 * heads, axis=2)
        q, k, v = (tf.stack(parts[i : i + heads], axis=1) for i in range(0, 3 * heads, heads))
        if last:
            q, x = q[:, :, -1:], tf.reshape(x, [-1, slots, dim])[:, -1]
        logits = tf.cast(_matmul(q * (dim // heads) ** -0.5, k, transpose_b=True), x.dtype)
        unseen = tf.expand_dims(tf.expand_dims(tf.where(mask, 0.0, _UNSEEN), 1), 1)
        logits += self._bias(slots, last) + tf.cast(unseen, x.dtype)
        weights = tf.cast(tf.exp(tf.nn.log_softmax(logits)), v.dtype)
        attended = _matmul(self._dropouts[0](weights, training=training), v)
        attended = tf.concat(tf.unstack(attended, heads, axis=1), axis=2)
        attended = self._attended(tf.reshape(attended, [-1, dim]))
        if self._gated:
            attended *= self._gates[0](x)
        x += tf.cast(self._dropouts[1](attended, training=training), x.dtype)
        normed = self._norms[1](x)
        hidden = self._hidden(normed)
        if self._gated:
            hidden *= self._hidden_gate(normed)
        outputs = self._outputs(hidden)
        if self._gated:
            outputs *= self._gates[1](x)
        return x + tf.cast(self._dropouts[2](outputs, training=training), x.dtype)

    def _bias(self, slots: tf.Tensor, last: bool) -> tf.Tensor:
        """The biases of keys by their distance, `(heads, queries, keys)`."""
        row = tf.transpose(tf.convert_to_tensor(self._by_distance)[slots - 1 :: -1])
        if last:
            return tf.expand_dims(row, 1)
        # Each row is the next one without its first number. It ends with keys after the query.
        padded = tf.pad(row, [[0, 0], [0, slots]], constant_values=_UNSEEN)
        rows = tf.tile(padded, [1, slots])[:, slots - 1 : -1]
        rows = tf.reshape(rows, [self._num_heads, slots, 2 * slots - 1])
        return rows[:, :, :slots]


def _matmul(a: tf.Tensor, b: tf.Tensor, transpose_b: bool = False) -> tf.Tensor:
    """As `tf.matmul`, for which oneDNN takes twice as long if there is a single history."""
    if a.dtype != tf.float32:  # not all have a kernel
        return tf.matmul(a, b, transpose_b=transpose_b)
    return tf.raw_ops.BatchMatMulV3(x=a, y=b, Tout=a.dtype, adj_y=transpose_b)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.gelu(x, approximate=True)
