"""Check that numbers read by layers of Keras are finite."""

from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import layer_of
from rankkit.layers.base import FeatureLayer
from rankkit.utils.graph_errors import check_numerics
from rankkit.utils.tensorflow import is_user_code


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FiniteNumbers(tf.keras.layers.Layer):
    """Returns its input, after a check that it has no NaN and no infinity.

    A layer such as `Dense(8, "relu")` may turn NaN into 0 and so hide it in the score.

    Args:
        feature: Name of the feature, for the error.
        **kwargs: Further keyword arguments of `tf.keras.layers.Layer`.
    """

    def __init__(self, feature: str, **kwargs: Any):
        super().__init__(**{**kwargs, "autocast": False})
        self.feature = feature

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: tf.Tensor, training: Any = None) -> tf.Tensor:
        message = f"Feature {self.feature!r} must be finite. Got: NaN or an infinite value. "
        fix = "Drop or fix those rows, or use a layer of rankkit.layers with missing='learn'."
        return check_numerics(inputs, message + fix)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature": self.feature}


def apply_layer(feature: str, layer: tf.keras.layers.Layer, raw: list, first: Any) -> Any:
    """Applies a layer to its raw inputs; `first` is the layer that reads them.

    Layers of rankkit have their own checks. A custom class may replace NaN by a number: the vectors
    that it returns are checked.
    """
    if isinstance(first, FeatureLayer) or not any(each.dtype.is_floating for each in raw):
        return layer(raw[0] if len(raw) == 1 else raw)
    if is_user_code(type(first)):
        return _checked(feature, feature, layer(raw[0] if len(raw) == 1 else raw))
    raw = [_checked(feature, layer_of(each).name, each) for each in raw]
    return layer(raw[0] if len(raw) == 1 else raw)


def _checked(feature: str, source: str, values: Any) -> Any:
    if not values.dtype.is_floating:
        return values
    return FiniteNumbers(source, name=f"{feature}_{source}_is_finite", dtype=values.dtype)(values)
