"""Dense layers that each column of a block has for itself."""

from typing import Any

import tensorflow as tf

from rankkit.layers._dense import get_activation


class ColumnwiseDense(tf.keras.layers.Layer):
    """A dense layer for each column, `(batch, columns, dim)` to `(batch, columns, units)`."""

    def __init__(self, units: int, activation: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = units
        self._activation = get_activation(activation)

    def build(self, input_shape: Any) -> None:
        columns, dim = tf.TensorShape(input_shape)[1:]
        scale = (6.0 / (dim + self.units)) ** 0.5  # Glorot's, of one column
        initializer = tf.keras.initializers.RandomUniform(-scale, scale)
        self.kernel = self.add_weight("kernel", (columns, dim, self.units), initializer=initializer)
        self.bias = self.add_weight("bias", (columns, 1, self.units), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        product = tf.matmul(tf.transpose(inputs, [1, 0, 2]), self.kernel)
        # The bias in full precision, or its gradient would be summed in half precision.
        product = tf.cast(product, self.variable_dtype) + tf.cast(self.bias, self.variable_dtype)
        outputs = tf.cast(self._activation(product), self.compute_dtype)
        return tf.transpose(outputs, [1, 0, 2])
