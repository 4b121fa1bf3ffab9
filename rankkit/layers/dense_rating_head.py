"""Dense layers that turn the vector of an example into a score."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.partial import ActivationCache, Vector, apply_layers
from rankkit.layers._dense import make_dense
from rankkit.utils.errors import check_range, check_share, check_units


@tf.keras.utils.register_keras_serializable(package="rankkit")
class DenseRatingHead(ArgumentsLayer):
    """Turns the vector of an example into one score: hidden dense layers and a linear output unit.

    This is the usual head of `rankkit.ranking_network`. It fits every loss that takes a number:
    squared error on ratings, cross entropy on clicks (the score is then the logit, not a
    probability), and listwise losses. For a distribution over rating levels, use
    `rankkit.layers.OrdinalHead`.

    Without `rating_range` the score `x` is unbounded. With a range it is
    `low + (high - low) * sigmoid(x)`, which keeps predicted ratings on their scale.

    Args:
        hidden_units: Units of each hidden layer; empty for a linear head. Defaults to `(256, 64)`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        dropout_rate: Share of hidden units dropped in training, in [0, 1). Defaults to `0.0`.
        rating_range: Lowest and highest possible score, such as `(1.0, 5.0)`, in the unit of the
            label. Defaults to `None`, an unbounded score.
        kernel_initializer: Initializer of all kernels. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Regularizer of all kernels. Defaults to `None`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, dim)`.

    Output shape:
        `(batch, 1)`, of `tf.float32` also in mixed precision.

    Raises:
        ValueError: If a number of units is below 1, `dropout_rate` is outside [0, 1), or
            `rating_range` is not two finite numbers `(low, high)` with `low < high`.
        TypeError: If `hidden_units` is not a sequence.

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
        self.hidden_units = check_units("hidden_units", hidden_units)
        self.activation = tf.keras.activations.get(activation)
        self.dropout_rate = check_share("dropout_rate", dropout_rate)
        self.rating_range = (
            None if rating_range is None else check_range("rating_range", rating_range)
        )
        self.kernel_initializer = tf.keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = tf.keras.regularizers.get(kernel_regularizer)
        self._tower = tf.keras.Sequential(name="tower")
        for units in self.hidden_units:
            self._tower.add(self._dense(units, self.activation, self.dtype_policy))
            if self.dropout_rate:
                self._tower.add(tf.keras.layers.Dropout(self.dropout_rate, dtype=self.dtype_policy))
        # Scores stay in full precision in mixed precision, too: half precision would tie them.
        self._tower.add(self._dense(1, None, self.variable_dtype))

    def _dense(self, units: int, activation: Any, dtype: Any) -> tf.keras.layers.Dense:
        initializer = self.kernel_initializer
        return make_dense(
            units,
            dtype,
            activation=activation,
            # An initializer used twice would give equal weights: each layer gets its own copy.
            kernel_initializer=type(initializer).from_config(initializer.get_config()),
            kernel_regularizer=self.kernel_regularizer,
        )

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        return self._scale(self._tower(inputs, training=training))  # (batch, 1)

    def call_parts(self, inputs: Vector, kept: ActivationCache) -> tf.Tensor:
        return self._scale(apply_layers(self._tower.layers, inputs, kept))

    def _scale(self, scores: tf.Tensor) -> tf.Tensor:
        if self.rating_range is None:
            return scores
        low, high = self.rating_range
        return low + (high - low) * tf.sigmoid(scores)

    def get_config(self) -> dict[str, Any]:
        activation = tf.keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}
