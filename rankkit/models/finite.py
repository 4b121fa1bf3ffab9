"""Check that numbers read by layers of Keras are finite."""

import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import inside, is_nested_graph, layer_calls, layer_of, operation_of
from rankkit.layers.base import FeatureLayer
from rankkit.utils.graph_errors import check_numerics
from rankkit.utils.tensorflow import is_user_code

_UNCHECKED: weakref.WeakKeyDictionary[tf.keras.Model, set[str]] = weakref.WeakKeyDictionary()
_HANDLE_NAN = ("is_finite", "is_nan")  # functions of TensorFlow


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
        return check_finite(self.feature, inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "feature": self.feature}


def apply_layer(feature: str, layer: tf.keras.layers.Layer, raw: list, first: Any) -> Any:
    """Applies a layer to its raw inputs; `first` is the layer that reads them.

    Layers of rankkit have their own checks. A custom class may replace NaN by a number: the vectors
    that it returns for single numbers are checked, but not instead of vectors that it reads.
    """
    if _checks_numbers(first) or not any(each.dtype.is_floating for each in raw):
        return layer(raw[0] if len(raw) == 1 else raw)
    if is_user_code(type(first)) and all(each.shape.rank == 1 for each in raw):
        return _checked(feature, feature, layer(raw[0] if len(raw) == 1 else raw))
    raw = [_checked(feature, layer_of(each).name, each) for each in raw]
    return layer(raw[0] if len(raw) == 1 else raw)


def _checks_numbers(layer: Any) -> bool:
    """Whether a layer has the checks of rankkit, which a class derived from one may replace."""
    if not isinstance(layer, FeatureLayer):
        return isinstance(layer, FiniteNumbers)
    return not any(map(is_user_code, (type(layer).call, type(layer).encode)))


def _checked(feature: str, source: str, values: Any) -> Any:
    if not values.dtype.is_floating:
        return values
    return FiniteNumbers(source, name=f"{feature}_{source}_is_finite", dtype=values.dtype)(values)


def check_finite(feature: str, values: tf.Tensor) -> tf.Tensor:
    """Returns the numbers of a feature after a check that they are finite."""
    message = f"Feature {feature!r} must be finite. Got: NaN or an infinite value. "
    fix = "Drop or fix those rows, or use a layer of rankkit.layers with missing='learn'."
    return check_numerics(values, message + fix)


def finite_features(
    network: tf.keras.Model, features: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns features after a check of those in which no layer of the network refuses NaN.

    Networks of `ranking_network` have layers that do. In another network, a number may be NaN if
    all that reads it is layers of rankkit, or if a function such as `tf.math.is_nan` does.
    """
    if network not in _UNCHECKED:
        found = _readers(network, _numbers(network))
        others = [each for each in found if not _checks_numbers(each[1])]
        handled = {name for name, layer in others if operation_of(layer) in _HANDLE_NAN}
        _UNCHECKED[network] = {name for name, _ in others} - handled
    names = _UNCHECKED[network]
    return {name: check_finite(name, v) if name in names else v for name, v in features.items()}


def finite_inputs(network: tf.keras.Model) -> dict[str, bool]:
    """Maps the features of numbers that a network checks to whether they may be NaN."""
    finite_features(network, {})
    found = dict.fromkeys(sorted(_UNCHECKED[network]), False)
    for name, layer in _readers(network, _numbers(network)):
        if _checks_numbers(layer):
            found[name] = getattr(layer, "missing", "error") == "learn" and found.get(name, True)
    return found


def _numbers(network: tf.keras.Model) -> dict[int, str]:
    return {id(x): name for name, x in network.input.items() if x.dtype.is_floating}


def _readers(model: tf.keras.Model, raw: dict[int, str]) -> Iterator[tuple[str, Any]]:
    """Yields feature and layer where a layer reads raw numbers and its output is not checked."""
    calls = list(layer_calls(model))
    checked = {id(call.args[0]) for call in calls if isinstance(call.layer, FiniteNumbers)}
    for layer, args, kwargs, outputs in calls:
        if all(id(each) in checked for each in tf.nest.flatten(outputs)):
            continue
        if is_nested_graph(layer):
            yield from _readers(layer, inside(layer, args, kwargs, raw))
            continue
        for each in tf.nest.flatten((args, kwargs)):
            if id(each) in raw:
                yield raw[id(each)], layer
