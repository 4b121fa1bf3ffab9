"""The block of a transformer."""

from typing import Any

import tensorflow as tf

from rankkit.layers._dense import make_dense
from rankkit.layers._norm import LayerNormalization


class TransformerBlock(tf.keras.layers.Layer):
    """A block of a transformer: self-attention and a dense layer, each on normalized inputs."""

    def __init__(self, num_heads: int, units: int, dropout: float, activation: Any, dtype: Any):
        super().__init__(dtype=dtype)
        self._num_heads, self._units, self._dropout_rate = num_heads, units, dropout
        self._activation = activation

    def build(self, input_shape: Any) -> None:
        dim, layers = input_shape[-1], tf.keras.layers
        # No biases: their gradients would be summed in half precision.
        self._attention = layers.MultiHeadAttention(
            self._num_heads, dim // self._num_heads, use_bias=False, dtype=self.dtype_policy
        )
        self._hidden = make_dense(self._units, self.dtype_policy, activation=self._activation)
        self._outputs = make_dense(dim, self.dtype_policy)
        self._norms = [LayerNormalization(dtype=self.variable_dtype) for _ in range(2)]
        self._dropout = layers.Dropout(self._dropout_rate, dtype=self.dtype_policy)
        super().build(input_shape)

    def call(
        self,
        x: tf.Tensor,
        mask: tf.Tensor | None,
        training: Any = None,
        context: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the new vectors of the items of lists, `(lists, items, dim)`.

        They attend to those of a `context`, `(lists, others, dim)`, or to each other without one.
        """
        normed = self._norms[0](x)
        context = normed if context is None else self._norms[0](context)
        attended = self._attention(normed, context, attention_mask=mask, training=training)
        x = x + self._dropout(attended, training=training)
        hidden = self._dropout(self._hidden(self._norms[1](x)), training=training)
        return x + self._outputs(hidden)


TransformerBlock.__name__ = "_Block"  # by which .keras files name the weights
