"""Which layers of a network read raw numbers, and whether one rounds them to half precision."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import layer_calls, layer_of, operation_of
from rankkit.layers.base import FeatureLayer
from rankkit.models.heads import check_not_half
from rankkit.models.logits import SELECTIONS
from rankkit.utils.keras import casts_inputs
from rankkit.utils.tensorflow import is_user_code

_LAYERS = tf.keras.layers
_CAST_INTEGERS = (  # other layers of Keras cast floating-point numbers only
    _LAYERS.Dense, _LAYERS.Normalization, _LAYERS.Rescaling, _LAYERS.BatchNormalization,
    _LAYERS.LayerNormalization, _LAYERS.UnitNormalization,
)  # fmt: skip
# Layers, activations and functions whose output has the scale of their input, by name.
_KEEP_SCALE = SELECTIONS - {"Activation"} | {
    *("GlobalAveragePooling1D", "GlobalMaxPooling1D", "Identity", "Layer", "Masking"),
    *("Maximum", "Minimum", "RepeatVector", "ReLU", "abs", "clip_by_value", "gather", "linear"),
    *("maximum", "minimum", "pad", "relu", "repeat", "slice", "split", "tile", "to_number"),
    *("transpose", "unstack", "where"),
}


def check_raw_precision(network: tf.keras.Model) -> None:
    """Raises if a layer, which is then not a feature layer of rankkit, rounds raw numbers."""
    inputs = network.input.items()
    _follow(network, {id(each): name for name, each in inputs if not each.dtype.is_bool})


def _follow(model: tf.keras.Model, raw: dict[int, str]) -> None:
    """Checks the layers that read raw values, and adds the tensors of the same scale to `raw`.

    `raw` is from the id of a symbolic tensor to the feature whose values it holds.
    """
    for layer, args, kwargs, outputs in layer_calls(model):
        read = [each for each in tf.nest.flatten((args, kwargs)) if id(each) in raw]
        made = tf.nest.flatten(outputs)
        if not read or isinstance(layer, FeatureLayer):
            continue
        if _is_graph(layer):
            inner = {
                id(to): raw[id(each)]
                for each, to in _input_pairs(layer, (*args, *kwargs.values())[0])
                if id(each) in raw
            }
            for tensor in layer.inputs:  # a model casts to the dtype of its input
                if id(tensor) in inner:
                    _check(inner[id(tensor)], layer_of(tensor), tensor.dtype)
            _follow(layer, inner)
            pairs = zip(made, layer.outputs, strict=True)
            raw |= {id(to): inner[id(each)] for to, each in pairs if id(each) in inner}
            continue
        for each in read:
            for part in _parts(layer):
                if _casts(part, each.dtype):
                    _check(raw[id(each)], part, part.compute_dtype)
        if _keeps_scale(layer):
            raw |= dict.fromkeys(map(id, made), raw[id(read[0])])


def _check(feature: str, layer: tf.keras.layers.Layer, dtype: Any) -> None:
    fix = "Normalize the numbers before it, or create"
    check_not_half(f"The raw numbers of feature {feature!r}", layer, dtype, fix)


def _is_graph(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer is a nested model that runs its graph of layers."""
    is_model = isinstance(layer, tf.keras.Model) and layer.inputs
    return bool(is_model) and not is_user_code(type(layer).call)


def _input_pairs(model: tf.keras.Model, given: Any) -> list[tuple[Any, Any]]:
    """Pairs of a tensor that a nested model is called with and its own symbolic input."""
    if not isinstance(given, Mapping):
        return list(zip(tf.nest.flatten(given), model.inputs, strict=True))
    inputs = model.input
    if not isinstance(inputs, Mapping):
        inputs = dict(zip(model.input_names, model.inputs, strict=True))
    return [(given[name], inputs[name]) for name in inputs]


def _parts(layer: tf.keras.layers.Layer) -> list[tf.keras.layers.Layer]:
    """A layer and those within it, such as in `TimeDistributed`; none of a custom layer."""
    parts = () if is_user_code(type(layer)) else layer.submodules
    return [layer, *(each for each in parts if isinstance(each, tf.keras.layers.Layer))]


def _casts(layer: tf.keras.layers.Layer, dtype: tf.DType) -> bool:
    """Whether a layer casts numbers of a dtype to the dtype that it computes in."""
    if dtype.is_integer:
        return isinstance(layer, _CAST_INTEGERS)
    return dtype.is_floating and casts_inputs(layer)


def _keeps_scale(layer: tf.keras.layers.Layer) -> bool:
    function = getattr(layer, "activation", None) if isinstance(layer, _LAYERS.Activation) else None
    name = operation_of(layer) or type(layer).__name__
    return (name if function is None else getattr(function, "__name__", "")) in _KEEP_SCALE
