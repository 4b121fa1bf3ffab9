"""Adapter to the private graph of Keras Functional models.

No other module of rankkit reads these attributes of tf_keras, which are not in its public API:

- `tf_keras.src.engine.functional.Functional`, the class of a Functional model.
- `tf_keras.src.layers.core.tf_op_layer.TFOpLambda`, the layer of a call of a TensorFlow function.
- `Functional._nodes_by_depth`, its layer calls by distance from the outputs.
- `Layer.inbound_nodes`, the calls of a layer, in all models that contain it.
- `KerasTensor.node`, the call that made a symbolic tensor.
- `KerasTensor._keras_mask`, the mask that a layer computed for its output; absent without one.
- `Node.layer`, `Node.call_args`, `Node.call_kwargs` and `Node.outputs`, the parts of a call.
- `Node.keras_inputs`, the symbolic tensors among the arguments of a call.
- `Node.is_input`, which is true for the node of an `InputLayer`.
- `TFOpLambda.symbol`, the public name of the function of TensorFlow that the layer calls.

`tests/core/test_keras_graph.py` has a test for each of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from tf_keras.src.engine.functional import Functional
from tf_keras.src.layers.core.tf_op_layer import TFOpLambda

from rankkit.utils.tensorflow import is_user_code


class LayerCall(NamedTuple):
    """One call of a layer in a Functional model, with symbolic tensors."""

    layer: tf.keras.layers.Layer
    args: tuple
    kwargs: dict[str, Any]
    outputs: Any


def is_functional(model: Any) -> bool:
    """Whether a model is a plain Functional model, not of a subclass."""
    return type(model) is Functional


def is_symbolic(value: Any) -> bool:
    """Whether a value is a symbolic tensor, the output of a layer."""
    return hasattr(value, "node")


def layer_of(tensor: Any) -> tf.keras.layers.Layer:
    """Returns the layer that made a symbolic tensor."""
    return tensor.node.layer


def call_of(tensor: Any) -> LayerCall:
    """Returns the layer call that made a symbolic tensor."""
    return _as_call(tensor.node)


def _as_call(node: Any) -> LayerCall:
    return LayerCall(node.layer, node.call_args, node.call_kwargs, node.outputs)


def operation_of(layer: tf.keras.layers.Layer) -> str | None:
    """Returns the name of the TensorFlow function that a layer stands for, such as `"sigmoid"`."""
    symbol = layer.symbol if isinstance(layer, TFOpLambda) else None
    return symbol and symbol.rpartition(".")[2]


def layer_calls(model: tf.keras.Model) -> Iterator[LayerCall]:
    """Yields the calls of a Functional model in the order of computation, without its inputs."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield _as_call(node)


def is_nested_graph(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer is a nested model that runs its graph of layers."""
    is_model = isinstance(layer, tf.keras.Model) and layer.inputs
    return bool(is_model) and not is_user_code(type(layer).call)


def inside(model: tf.keras.Model, args: tuple, kwargs: dict, names: dict[int, str]) -> dict:
    """Names of the inputs of a nested model, from those of the tensors that it is called with."""
    given, inputs = (*args, *kwargs.values())[0], model.input
    if not isinstance(given, Mapping):
        pairs = zip(tf.nest.flatten(given), model.inputs, strict=True)
    else:
        if not isinstance(inputs, Mapping):
            inputs = dict(zip(model.input_names, model.inputs, strict=True))
        pairs = [(given[name], inputs[name]) for name in inputs]
    return {id(to): names[id(each)] for each, to in pairs if id(each) in names}


def outputs_of_layer(layer: tf.keras.layers.Layer) -> list:
    """Returns the outputs of each call of a layer."""
    return [node.outputs for node in layer.inbound_nodes]


def input_positions(layer: tf.keras.layers.Layer, tensor: Any) -> list[int]:
    """Returns the positions of a symbolic tensor among the inputs of the calls of a layer."""
    return [
        position
        for node in layer.inbound_nodes
        for position, each in enumerate(node.keras_inputs)
        if each is tensor
    ]


def computes_mask(layer: tf.keras.layers.Layer) -> bool:
    """Whether Keras passes a mask along with an output of the layer."""
    return any(
        getattr(tensor, "_keras_mask", None) is not None
        for tensor in tf.nest.flatten(outputs_of_layer(layer))
    )
