"""Biases and the products of all pairs of vectors."""

from typing import Any

import tensorflow as tf

from rankkit.interactions._vectors import equal_width, listed


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FactorizationMachine(tf.keras.layers.Layer):
    """Adds up the biases of features and the dot products of each pair of their vectors.

    The score is `b + sum_i v_i[0] + sum_{i<j} dot(v_i[1:], v_j[1:])`: the first number of each
    vector is the feature's own bias, and `b` is trained. The sum over pairs takes no longer than
    one over features, as `(|sum v|^2 - sum |v|^2) / 2`.

    As `interaction` of `rankkit.ranking_network` without a head it is the whole model, strong on
    ratings with a penalty on the vectors: give the layers `activity_regularizer`.

    Args:
        initial_bias: What `b` begins with, such as the mean label. Defaults to `0.0`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, 1 + dim)`, one a feature, of equal width.

    Output shape:
        `(batch, 1)`.

    Raises:
        TypeError: If the widths differ.

    References:
        Rendle, Factorization machines, ICDM 2010.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> machine = rk.interactions.FactorizationMachine(initial_bias=3.5)
        >>> machine([tf.constant([[0.5, 1.0, 2.0]]), tf.constant([[-1.0, 3.0, 0.5]])]).numpy()
        array([[7.]], dtype=float32)
    """

    def __init__(self, *, initial_bias: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.initial_bias = float(initial_bias)
        initializer = tf.keras.initializers.Constant(self.initial_bias)
        self._bias = self.add_weight("bias", (), initializer=initializer)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        stacked = tf.stack(equal_width(inputs, "factorization machine"), axis=1)
        # Scores are told apart in full precision.
        stacked = tf.cast(stacked, self.variable_dtype)  # (batch, features, 1 + dim)
        biases, vectors = stacked[:, :, 0], stacked[:, :, 1:]
        together = tf.square(tf.reduce_sum(vectors, axis=1))  # (batch, dim)
        alone = tf.reduce_sum(tf.square(vectors), axis=1)
        pairs = tf.reduce_sum(together - alone, axis=1, keepdims=True) / 2
        bias = tf.cast(self._bias, self.variable_dtype)
        return bias + tf.reduce_sum(biases, axis=1, keepdims=True) + pairs

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape([listed(input_shape)[0][0], 1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial_bias": self.initial_bias}
