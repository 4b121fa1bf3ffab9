"""Contract of all interactions, and the formula of each."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

INTERACTIONS = [
    (rk.interactions.FactorizationMachine, {"initial_bias": 3.5}),
    (rk.interactions.FactorizationMachine, {"groups": [[0, 2]]}),
    (rk.interactions.FieldDropout, {"rate": 0.25}),
    (
        rk.interactions.FieldDropout,
        {"rate": 0.25, "interaction": rk.interactions.FactorizationMachine()},
    ),
    (rk.interactions.CrossNetwork, {"num_layers": 3}),
    (rk.interactions.CrossNetwork, {"projection_dim": 2}),
    (rk.interactions.DotInteraction, {}),
]
interactions = pytest.mark.parametrize(("interaction", "arguments"), INTERACTIONS)
RNG = np.random.default_rng(0)
VECTORS = [RNG.normal(size=(5, 3)).astype(np.float32) for _ in range(4)]


def network(interaction, head=True):
    features = {
        name: rk.layers.IdEmbedding(["a", "b", "c"], 3, embeddings_initializer="normal")
        for name in ("user", "item", "genre")
    }
    return rk.ranking_network(
        features, interaction=interaction, head=rk.layers.DenseRatingHead([4]) if head else None
    )


@interactions
def test_config_rebuilds_the_layer(interaction, arguments):
    layer = interaction(**arguments, name="mine")
    rebuilt = interaction.from_config(layer.get_config())
    assert rebuilt.get_config() == layer.get_config()
    layer(VECTORS)
    rebuilt(VECTORS)
    rebuilt.set_weights(layer.get_weights())
    np.testing.assert_array_equal(rebuilt(VECTORS), layer(VECTORS))
    shapes = [vector.shape for vector in VECTORS]
    assert layer.compute_output_shape(shapes) == layer(VECTORS).shape


# Those of the other classes are exported in tests/models/test_architectures.py.
@pytest.mark.parametrize(("interaction", "arguments"), [INTERACTIONS[i] for i in (3, 5)])
def test_network_is_saved_and_exported(interaction, arguments, check_exports):
    model = rk.RankingModel(network(interaction(**arguments)), label="rating")
    check_exports(model, {name: ["a", "b", "c", "a"] for name in ("user", "item", "genre")})


@pytest.mark.parametrize(
    "interaction", [rk.interactions.FactorizationMachine, rk.interactions.DotInteraction]
)
def test_vectors_of_different_dimensions_are_rejected(interaction):
    with pytest.raises(TypeError, match=r"same dimension\. Got: \[3, 2\]\. A .* multiplies"):
        interaction()([tf.zeros((1, 3)), tf.zeros((1, 2))])


@pytest.mark.parametrize(
    ("groups", "vectors"),
    [((), VECTORS), ([[0, 2], [1]], [VECTORS[0] + VECTORS[2], VECTORS[1], VECTORS[3]])],
)
def test_factorization_machine_adds_biases_and_all_pairs_of_groups(groups, vectors):
    expected = 3.5 + sum(vector[:, 0] for vector in vectors)
    for one, other in itertools.combinations(vectors, 2):
        expected = expected + (one[:, 1:] * other[:, 1:]).sum(axis=1)
    layer = rk.interactions.FactorizationMachine(initial_bias=3.5, groups=groups)
    np.testing.assert_allclose(layer(VECTORS)[:, 0], expected, rtol=1e-5)


def test_vector_of_dimension_one_is_only_a_bias():
    bias = RNG.normal(size=(5, 1)).astype(np.float32)
    layer = rk.interactions.FactorizationMachine()
    expected = layer(VECTORS) + bias
    np.testing.assert_allclose(layer([VECTORS[0], bias, *VECTORS[1:]]), expected, rtol=1e-5)
    np.testing.assert_allclose(layer([bias, 2 * bias]), 3 * bias, rtol=1e-5)


def test_members_are_separate_factorization_machines():
    fm = rk.interactions.FactorizationMachine
    one, other = VECTORS[:2], VECTORS[2:]
    layer = fm(num_members=2, groups=[[0], [1]])
    both = layer([np.concatenate(pair, axis=1) for pair in zip(one, other, strict=True)])
    np.testing.assert_allclose(both[:, :1], fm()(one), rtol=1e-5)
    np.testing.assert_allclose(both[:, 1:], fm()(other), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": [[0, 0]]}, "groups must be indices of the 2 vectors, each at most once"),
        ({"groups": [[0], [2]]}, "groups must be indices of the 2 vectors, each at most once"),
        ({"num_members": 2}, r"multiple of num_members=2\. Got: \[3, 3\]"),
        ({"num_members": 0}, "num_members must be an integer of at least 1"),
    ],
)
def test_invalid_groups_and_num_members_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        rk.interactions.FactorizationMachine(**arguments)([tf.zeros((1, 3)), tf.zeros((1, 3))])


@pytest.mark.parametrize("groups", ["01", [0, 1], ["0"], [[True]], [[0.0]]])
def test_groups_must_be_lists_of_integers(groups):
    with pytest.raises(TypeError, match="groups must be lists of indices of vectors, such as"):
        rk.interactions.FactorizationMachine(groups=groups)


def test_factorization_machine_without_head_is_a_network():
    net = network(rk.interactions.FactorizationMachine(initial_bias=3.5), head=False)
    assert net.output_shape == (None, 1)
    assert net({name: tf.constant(["a"]) for name in net.input}).shape == (1, 1)
    with pytest.raises(ValueError, match="Pass a head, or an interaction"):
        network(None, head=False)


def test_factorization_machine_outputs_full_precision_under_mixed_precision():
    layer = rk.interactions.FactorizationMachine(dtype="mixed_float16")
    assert layer(VECTORS).dtype == tf.float32


def test_dot_interaction_concatenates_vectors_and_their_dot_products():
    found = rk.interactions.DotInteraction()(VECTORS).numpy()
    np.testing.assert_array_equal(found[:, :12], np.concatenate(VECTORS, axis=1))
    products = found[:, 12:].reshape(5, 4, 4)
    for one, other in itertools.product(range(4), repeat=2):
        expected = (VECTORS[one] * VECTORS[other]).sum(axis=1) if one > other else np.zeros(5)
        np.testing.assert_allclose(products[:, one, other], expected, rtol=1e-5, atol=1e-6)


def test_cross_network_equals_its_formula():
    layer = rk.interactions.CrossNetwork(2)
    found = layer(VECTORS).numpy()
    x0 = x = np.concatenate(VECTORS, axis=1)
    weights = iter(layer.get_weights())
    for kernel, bias in zip(weights, weights, strict=True):
        x = x0 * (x @ kernel + bias) + x
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"num_layers": 0}, {"projection_dim": 0}])
def test_invalid_arguments_of_cross_network_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        rk.interactions.CrossNetwork(**arguments)


def test_field_dropout_drops_whole_vectors_in_training():
    vectors = [np.ones((4000, 2), np.float32), np.full((4000, 3), 2, np.float32)]
    layer = rk.interactions.FieldDropout(0.25)
    np.testing.assert_array_equal(layer(vectors, training=False), np.concatenate(vectors, axis=1))
    dropped = layer(vectors, training=True).numpy()
    for part in (dropped[:, :2], dropped[:, 2:]):
        assert (part == part[:, :1]).all()
        assert (part[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
        assert part.mean() == pytest.approx(part.max() * 0.75, rel=0.05)
    both = (dropped[:, 0] == 0) & (dropped[:, 2] == 0)
    assert both.mean() == pytest.approx(0.25**2, abs=0.02)  # independently


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_field_dropout_rejects_rates_outside_the_unit_interval(rate):
    with pytest.raises(ValueError, match=r"rate must be a number in \[0, 1\)"):
        rk.interactions.FieldDropout(rate)


def test_field_dropout_rejects_functions_as_interaction():
    with pytest.raises(TypeError, match="interaction must be a tf.keras layer, or None"):
        rk.interactions.FieldDropout(0.1, rk.interactions.concatenate)
