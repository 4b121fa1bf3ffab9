import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

MMoE, PLE = rk.layers.MultiGateMixtureOfExperts, rk.layers.ProgressiveExtraction


def test_head_is_a_softmax_mixture_of_experts():
    layer = MMoE(["a", "b"], num_experts=2, units=[3], activation="tanh")
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    outputs = layer(x)
    weights = {weight.name.partition(":")[0]: weight.numpy() for weight in layer.weights}
    kernel = next(w for name, w in weights.items() if name.endswith("kernel_0"))
    experts = np.tanh(x @ kernel)  # (experts, batch, units); biases start at 0
    for head, output in outputs.items():
        gate = next(w for name, w in weights.items() if f"{head}_gate" in name and w.ndim == 2)
        shares = np.exp(x @ gate) / np.exp(x @ gate).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(output, np.einsum("be,ebu->bu", shares, experts), atol=1e-6)


@pytest.mark.parametrize("layer_class", [MMoE, PLE])
def test_list_of_vectors_is_concatenated(layer_class):
    layer = layer_class(["a"], units=[3])
    x = tf.random.normal((2, 4))
    joined = layer(x)["a"]
    np.testing.assert_array_equal(layer([x[:, :1], x[:, 1:]])["a"], joined)


@pytest.mark.parametrize("layer_class", [MMoE, PLE])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": []}, "heads must be a list of at least one name"),
        ({"heads": ["a", "a"]}, "heads must be .*without duplicates"),
        ({"heads": ["_shared"]}, "heads must be names other than '_shared'"),
        ({"units": []}, "units must be a list of at least one number of units"),
        ({"units": [0]}, r"units must be integers of at least 1. Got: units=\[0\]"),
    ],
)
def test_invalid_arguments_are_named(layer_class, arguments, message):
    with pytest.raises(ValueError, match=message):
        layer_class(**{"heads": ["a"], **arguments})


@pytest.mark.parametrize(
    ("layer_class", "name"),
    [(MMoE, "num_experts"), (PLE, "num_levels"), (PLE, "num_own"), (PLE, "num_shared")],
)
def test_numbers_below_one_are_named(layer_class, name):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        layer_class(["a"], **{name: 0})
