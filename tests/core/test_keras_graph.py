"""Contract with tf_keras: the private attributes that `rankkit.core.keras_graph` reads."""

import importlib

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.core import keras_graph


class Scale(tf.keras.layers.Layer):
    def call(self, inputs, factor=1.0):
        return factor * inputs


@pytest.fixture(scope="module")
def model():
    first, second = tf.keras.Input((2,), name="first"), tf.keras.Input((2,), name="second")
    shared = tf.keras.layers.Dense(2, name="shared")
    total = tf.keras.layers.Add(name="total")([shared(first), shared(second)])
    outputs = Scale(name="scaled")(total, factor=3.0)
    return tf.keras.Model({"first": first, "second": second}, outputs)


def masking_layer():
    layer = tf.keras.layers.Embedding(3, 2, mask_zero=True)
    layer(tf.keras.Input((4,), dtype=tf.int64))
    return layer


PRIVATE_ATTRIBUTES = {
    "Functional._nodes_by_depth": lambda model: model._nodes_by_depth,
    "Layer.inbound_nodes": lambda model: model.get_layer("total").inbound_nodes,
    "KerasTensor.node": lambda model: model.output.node,
    "KerasTensor._keras_mask": lambda model: masking_layer().output._keras_mask,
    "Node.layer": lambda model: model.output.node.layer,
    "Node.call_args": lambda model: model.output.node.call_args,
    "Node.call_kwargs": lambda model: model.output.node.call_kwargs,
    "Node.outputs": lambda model: model.output.node.outputs,
    "Node.keras_inputs": lambda model: model.output.node.keras_inputs,
    "Node.is_input": lambda model: model.output.node.is_input,
    "TFOpLambda.symbol": lambda model: keras_graph.layer_of(tf.sigmoid(model.output)).symbol,
}


@pytest.mark.parametrize("attribute", PRIVATE_ATTRIBUTES)
def test_tf_keras_has_private_attribute(attribute, model):
    try:
        PRIVATE_ATTRIBUTES[attribute](model)
    except AttributeError as error:
        pytest.fail(f"tf_keras no longer has {attribute}: {error}")


def test_docstring_lists_every_private_attribute():
    documented = keras_graph.__doc__ or ""
    assert [name for name in PRIVATE_ATTRIBUTES if f"`{name}`" not in documented] == []


def test_is_functional_excludes_subclasses(model):
    module = importlib.import_module("tf_keras.src.engine.functional")
    assert type(model) is getattr(module, "Functional", None), "tf_keras no longer has Functional"
    assert keras_graph.is_functional(model)
    assert not keras_graph.is_functional(tf.keras.Sequential([tf.keras.layers.Dense(1)]))
    assert not keras_graph.is_functional(rk)


def test_layer_and_operation_that_made_a_tensor_are_found(model):
    assert keras_graph.layer_of(model.output) is model.get_layer("scaled")
    assert keras_graph.layer_of(model.input["first"]) is model.get_layer("first")
    score = model.output
    for tensor, name in ((tf.nn.sigmoid(score), "sigmoid"), (score + 1.0, "add"), (score, None)):
        assert keras_graph.operation_of(keras_graph.layer_of(tensor)) == name


def test_call_of_returns_the_arguments_of_a_call(model):
    call = keras_graph.call_of(model.output)
    assert call.layer is model.get_layer("scaled")
    assert call.outputs is model.output
    assert call.kwargs["factor"] == 3.0
    assert [keras_graph.is_symbolic(each) for each in (*call.args, 3.0)] == [True, False]


def test_layer_calls_in_order_compute_the_model(model):
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=(3, 2)).astype(np.float32) for name in ("first", "second")}
    values = {id(model.input[name]): value for name, value in inputs.items()}
    names = []
    for call in keras_graph.layer_calls(model):
        args, kwargs = tf.nest.map_structure(
            lambda each: values.get(id(each), each), (call.args, call.kwargs)
        )
        values[id(call.outputs)] = call.layer(*args, **kwargs)
        names.append(call.layer.name)
    assert names == ["shared", "shared", "total", "scaled"]
    np.testing.assert_allclose(values[id(model.output)], model(inputs), rtol=1e-6)


def test_outputs_and_input_positions_cover_all_calls_of_a_layer(model):
    shared, total = model.get_layer("shared"), model.get_layer("total")
    outputs = keras_graph.outputs_of_layer(shared)
    assert len(outputs) == 2
    assert [keras_graph.input_positions(total, each) for each in outputs] == [[0], [1]]
    assert keras_graph.input_positions(shared, model.input["second"]) == [0]
    assert keras_graph.input_positions(total, model.input["second"]) == []


def test_computes_mask_is_true_for_masking_layers_only(model):
    assert keras_graph.computes_mask(masking_layer())
    assert not any(map(keras_graph.computes_mask, model.layers))
