"""Blocks of a transformer in which an event sees the events before it."""

from typing import Any

import tensorflow as tf

from rankkit.layers._dense import make_dense


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
            "by_distance", (self._length, self._num_heads), initializer="zeros"
        )
        self._projected, self._attended = dense(3 * dim), dense(dim)
        self._hidden = dense((3 if self._gated else 4) * dim, None if self._gated else _gelu)
        self._outputs = dense(dim)
        if self._gated:
            self._hidden_gate = dense(3 * dim, "swish")
            self._gates = [dense(dim, "sigmoid") for _ in range(2)]
        self._norms = [layers.LayerNormalization(dtype=self.variable_dtype) for _ in range(2)]
        self._dropouts = [
            layers.Dropout(self._rate, dtype=self.dtype_policy, name=f"dropout_{i}")
            for i in range(3)
        ]
        super().build(input_shape)

    def call(self, x: tf.Tensor, mask: tf.Tensor, last: bool, training: Any = None) -> tf.Tensor:
        """Returns the new vectors of the slots, or with `last` of the last slot alone.

        Args:
            x: Vectors of the slots, `(rows, slots, dim)`.
            mask: False for slots without an event, `(rows, slots)`.
            last: Whether only the last slot is needed.
            training: Whether the layer is trained.
        """
        dim, heads = x.shape[2], self._num_heads
        rows, slots = tf.shape(x)[0], tf.shape(x)[1]
        shape = tf.stack([rows, slots, 3, heads, dim // heads])
        projected = tf.reshape(self._projected(self._norms[0](x)), shape)
        q, k, v = tf.unstack(tf.transpose(projected, [2, 0, 3, 1, 4]), num=3)
        steps = tf.range(slots)
        queries = steps[-1:] if last else steps
        if last:
            q, x = q[:, :, -1:], x[:, -1:]
        distances = tf.expand_dims(queries, 1) - tf.expand_dims(steps, 0)
        by_distance = tf.transpose(tf.cast(self._by_distance, q.dtype))  # (heads, length)
        bias = tf.gather(by_distance, tf.maximum(distances, 0), axis=1)
        is_seen = tf.expand_dims(tf.expand_dims(mask, 1), 1) & (distances >= 0)
        logits = tf.matmul(q, k, transpose_b=True) * (dim // heads) ** -0.5 + bias
        weights = tf.nn.softmax(tf.where(is_seen, logits, tf.constant(-1e4, logits.dtype)))
        weights = self._dropouts[0](weights, training=training)
        attended = tf.transpose(tf.matmul(weights, v), [0, 2, 1, 3])
        attended = self._attended(tf.reshape(attended, tf.shape(x)))
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


def _gelu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.gelu(x, approximate=True)
