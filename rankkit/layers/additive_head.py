"""A head that scores each number by itself and sums the scores."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.layers._columnwise import ColumnwiseDense
from rankkit.utils.errors import check_share, check_units


@tf.keras.utils.register_keras_serializable(package="rankkit")
class AdditiveHead(ArgumentsLayer):
    """Scores each number of a vector with a small network of its own, and sums the scores.

    The result is a generalized additive model: what a column adds to the score depends on no other
    column, so that a plot of each column shows the whole model. Put it directly on numbers, such as
    those of `rankkit.layers.NormalizedNumbers`. `rankkit.evaluation.additive_terms` computes what
    each column adds to the score, and `rankkit.plots.additive_terms` plots it.

    Args:
        hidden_units: Units of each hidden layer of each network; empty for a linear model.
            Defaults to `(16, 8)`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        dropout_rate: Share of the columns left out of the sum in training, in [0, 1). Defaults to
            `0.0`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, columns)`.

    Output shape:
        `(batch, 1)`, of `tf.float32` also in mixed precision.

    Raises:
        ValueError: If a number of units is below 1, or `dropout_rate` is outside [0, 1).
        TypeError: If `hidden_units` is not a sequence.

    References:
        Zhuang et al., Interpretable ranking with generalized additive models, WSDM 2021.
        Agarwal et al., Neural additive models, NeurIPS 2021.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> head = rk.layers.AdditiveHead([4])
        >>> columns = tf.constant([[0.5, -1.0, 2.0]])
        >>> head(columns).shape, head.contributions(columns).shape
        (TensorShape([1, 1]), TensorShape([1, 3]))
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (16, 8),
        *,
        activation: Any = "relu",
        dropout_rate: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.hidden_units = check_units("hidden_units", hidden_units)
        self.activation = tf.keras.activations.get(activation)
        self.dropout_rate = check_share("dropout_rate", dropout_rate)
        self._layers = [
            ColumnwiseDense(units, self.activation, dtype=self.dtype_policy)
            for units in self.hidden_units
        ]
        # Scores stay in full precision in mixed precision, too: half precision would tie them.
        self._layers.append(ColumnwiseDense(1, dtype=self.variable_dtype))
        self._dropout = tf.keras.layers.Dropout(self.dropout_rate, dtype=self.variable_dtype)

    @tf.autograph.experimental.do_not_convert
    def contributions(self, inputs: Any) -> tf.Tensor:
        """Returns what each column adds to the score, `(batch, columns)`."""
        outputs = tf.convert_to_tensor(inputs)[:, :, tf.newaxis]
        for layer in self._layers:
            outputs = layer(outputs)
        return outputs[:, :, 0]

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        kept = self._dropout(self.contributions(inputs), training=training)
        return tf.reduce_sum(kept, axis=1, keepdims=True)  # (batch, 1)

    def get_config(self) -> dict[str, Any]:
        activation = tf.keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}
