"""Adapter to the private graph of Keras Functional models.

No other module of rankkit reads these attributes of tf_keras, which are not in its public API:

- `tf_keras.src.engine.functional.Functional`, the class of a Functional model.
- `Functional._nodes_by_depth`, its layer calls by distance from the outputs.
- `Layer.inbound_nodes`, the calls of a layer, in all models that contain it.
- `KerasTensor.node`, the call that made a symbolic tensor.
- `KerasTensor._keras_mask`, the mask that a layer computed for its output; absent without one.
- `Node.layer`, `Node.call_args`, `Node.call_kwargs` and `Node.outputs`, the parts of a call.
- `Node.keras_inputs`, the symbolic tensors among the arguments of a call.
- `Node.is_input`, which is true for the node of an `InputLayer`.

`tests/core/test_keras_graph.py` has a test for each of them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf
from tf_keras.src.engine.functional import Functional


class LayerCall(NamedTuple):
    """One call of a layer in a Functional model, with symbolic tensors."""

    layer: tf.keras.layers.Layer
    args: tuple
    kwargs: dict[str, Any]
    outputs: Any


def is_functional(model: Any) -> bool:
    """Whether a model is a plain Functional model, not of a subclass."""
    return type(model) is Functional


def layer_of(tensor: Any) -> tf.keras.layers.Layer:
    """Returns the layer that made a symbolic tensor."""
    return tensor.node.layer


def layer_calls(model: tf.keras.Model) -> Iterator[LayerCall]:
    """Yields the calls of a Functional model in the order of computation, without its inputs."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield LayerCall(node.layer, node.call_args, node.call_kwargs, node.outputs)


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
