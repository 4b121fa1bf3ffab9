"""Check that no layer of a network rounds raw numbers to half precision."""

from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import inside, is_nested_graph, layer_calls, layer_of
from rankkit.layers.base import FeatureLayer
from rankkit.models.heads import check_not_half
from rankkit.utils.keras import casts_inputs
from rankkit.utils.tensorflow import is_user_code, layers_of

_LAYERS = tf.keras.layers
_NORMALIZE = (_LAYERS.Normalization, _LAYERS.Rescaling, _LAYERS.UnitNormalization)
_ENCODE = (  # without rounding the integers that they read
    _LAYERS.CategoryEncoding, _LAYERS.Discretization, _LAYERS.Embedding, _LAYERS.HashedCrossing,
    _LAYERS.Hashing, _LAYERS.IntegerLookup, _LAYERS.StringLookup, _LAYERS.TextVectorization,
)  # fmt: skip


def check_raw_precision(network: tf.keras.Model) -> None:
    """Raises if a layer rounds raw numbers to half precision, or may do so.

    Numbers are raw until a layer of rankkit, a layer with weights, or one of Keras that normalizes
    or encodes reads them: no other layer or function tells whether its output has another scale.
    """
    inputs = network.input.items()
    _follow(network, {id(each): name for name, each in inputs if not each.dtype.is_bool})


def _follow(model: tf.keras.Model, raw: dict[int, str]) -> None:
    """Checks the layers that read raw values, and adds the tensors that are raw as well.

    `raw` is from the id of a symbolic tensor to the feature whose values it holds.
    """
    for tensor in model.inputs:  # a model casts to the dtype of its input
        if id(tensor) in raw:
            _check(raw[id(tensor)], layer_of(tensor), tensor.dtype)
    for layer, args, kwargs, outputs in layer_calls(model):
        read = [each for each in tf.nest.flatten((args, kwargs)) if id(each) in raw]
        made = tf.nest.flatten(outputs)
        if not read or isinstance(layer, FeatureLayer):
            continue
        if is_nested_graph(layer):
            inner = inside(layer, args, kwargs, raw)
            _follow(layer, inner)
            pairs = zip(made, layer.outputs, strict=True)
            raw |= {id(to): inner[id(each)] for to, each in pairs if id(each) in inner}
            continue
        parts, feature = _parts(layer), raw[id(read[0])]
        if any(each.dtype != tf.string for each in read):
            _check_layer(feature, parts, read, made)
        if not layer.weights and not any(isinstance(each, _NORMALIZE + _ENCODE) for each in parts):
            raw |= {id(each): feature for each in made if not each.dtype.is_bool}


def _check_layer(feature: str, parts: list, read: list, made: list) -> None:
    """Checks the precision of a layer, the first of `parts`, and of those within it."""
    is_float = any(each.dtype.is_floating for each in read)
    if _is_own(parts[0]):
        rounds = parts  # whatever it does with them
    elif not is_float and any(isinstance(each, _ENCODE) for each in parts):
        return
    else:
        is_computed = is_float or not all(each.dtype.is_integer for each in made)
        rounds = [each for each in parts if is_computed and casts_inputs(each)]
    for each in rounds:
        _check(feature, each, each.compute_dtype)
    for each in made:
        _check(feature, parts[0], each.dtype)


def _check(feature: str, layer: tf.keras.layers.Layer, dtype: Any) -> None:
    fix = "Normalize the numbers before it, such as with NormalizedNumber, or create"
    check_not_half(f"The raw numbers of feature {feature!r}", layer, dtype, fix)


def _is_own(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer runs code of the user."""
    return is_user_code(type(layer)) or isinstance(layer, _LAYERS.Lambda)


def _parts(layer: tf.keras.layers.Layer) -> list[tf.keras.layers.Layer]:
    """A layer and those within it, such as in `TimeDistributed`; none of a custom layer."""
    return [layer] if _is_own(layer) else layers_of(layer)
