"""The head of a ranking network: a tower of dense layers that ends in one score."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.partial import Kept, Vector, through
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class DenseRatingHead(tf.keras.layers.Layer):
    """Turns the joined feature vectors into one score for each row.

    A stack of dense layers, each followed by dropout where asked for, and a last dense unit. With
    `rating_range` the score is squeezed into that range: `low + (high - low) * sigmoid(x)`.

    Args:
        hidden_units: Widths of the hidden layers; empty for a linear model.
            Defaults to `(256, 64)`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        dropout_rate: Share of the hidden units dropped while training, in [0, 1).
            Defaults to `0.0`.
        rating_range: Lowest and highest score, in units of the label. Defaults to `None`, no
            bounds.
        kernel_initializer: Initializer of all kernels. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Regularizer of all kernels. Defaults to `None`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, width)`.

    Output shape:
        `(batch, 1)`.

    Raises:
        ValueError: If a width is below 1, the dropout rate outside [0, 1), or the range not
            ascending.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> head = rk.layers.DenseRatingHead([8], rating_range=(1.0, 5.0))
        >>> head(tf.zeros((2, 3))).numpy()
        array([[3.],
               [3.]], dtype=float32)
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (256, 64),
        *,
        activation: Any = "relu",
        dropout_rate: float = 0.0,
        rating_range: tuple[float, float] | None = None,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for units in hidden_units:
            if not isinstance(units, (int, np.integer)) or units < 1:
                raise invalid("hidden_units", hidden_units, "integers of at least 1")
        if not 0.0 <= dropout_rate < 1.0:
            raise invalid("dropout_rate", dropout_rate, "in [0, 1)")
        if rating_range is not None and not rating_range[0] < rating_range[1]:
            raise invalid("rating_range", rating_range, "(low, high) with low < high")
        self.hidden_units = tuple(int(units) for units in hidden_units)
        self.activation = tf.keras.activations.get(activation)
        self.dropout_rate = float(dropout_rate)
        self.rating_range = None if rating_range is None else tuple(map(float, rating_range))
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = tf.keras.regularizers.get(kernel_regularizer)
        self._tower = tf.keras.Sequential(name="tower")
        for units in self.hidden_units:
            self._tower.add(self._dense(units, self.activation, self.dtype_policy))
            if self.dropout_rate:
                self._tower.add(tf.keras.layers.Dropout(self.dropout_rate))
        # In mixed precision too, scores are told apart in full precision.
        self._tower.add(self._dense(1, None, self.variable_dtype))

    def _dense(self, units: int, activation: Any, dtype: Any) -> tf.keras.layers.Dense:
        initializer = self.kernel_initializer
        return tf.keras.layers.Dense(
            units,
            activation=activation,
            # An initializer used twice would give equal weights: each layer gets its own copy.
            kernel_initializer=type(initializer).from_config(initializer.get_config()),
            kernel_regularizer=self.kernel_regularizer,
            dtype=dtype,
        )

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        return self._in_range(self._tower(inputs, training=training))  # (batch, 1)

    def call_parts(self, inputs: Vector, kept: Kept) -> tf.Tensor:
        return self._in_range(through(self._tower.layers, inputs, kept))

    def _in_range(self, scores: tf.Tensor) -> tf.Tensor:
        if self.rating_range is None:
            return scores
        low, high = self.rating_range
        return low + (high - low) * tf.sigmoid(scores)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape)[:-1].concatenate(1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "hidden_units": self.hidden_units,
            "activation": tf.keras.activations.serialize(self.activation),
            "dropout_rate": self.dropout_rate,
            "rating_range": self.rating_range,
            "kernel_initializer": tf.keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": tf.keras.regularizers.serialize(self.kernel_regularizer),
        }
