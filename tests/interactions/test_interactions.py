"""What every interaction must do, and what each computes."""

import itertools

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

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
def test_config_rebuilds_it(interaction, arguments):
    layer = interaction(**arguments, name="mine")
    again = interaction.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    layer(VECTORS)
    again(VECTORS)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(VECTORS), layer(VECTORS))
    shapes = [vector.shape for vector in VECTORS]
    assert layer.compute_output_shape(shapes) == layer(VECTORS).shape


@interactions
def test_network_of_it_trains_and_is_saved_and_exported(interaction, arguments, tmp_path):
    model = rk.RankingModel(network(interaction(**arguments)), label="rating")
    model.compile("adagrad")
    raw = {name: ["a", "b", "c", "a"] for name in ("user", "item", "genre")}
    model.fit(rk.data.batches({**raw, "rating": [1.0, 2.0, 3.0, 1.0]}, 2), verbose=0)
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    for file in ("model.keras", "1", "ranker.tflite"):
        assert rk.export.max_abs_difference(model, rk.export.load(tmp_path / file), raw) < 1e-5


@pytest.mark.parametrize(
    "interaction", [rk.interactions.FactorizationMachine, rk.interactions.DotInteraction]
)
def test_vectors_of_different_widths_are_named(interaction):
    with pytest.raises(TypeError, match=r"widths of the vectors must be equal. Got: .*\[3, 2\].*"):
        interaction()([tf.zeros((1, 3)), tf.zeros((1, 2))])


def test_factorization_machine_adds_biases_and_all_pairs():
    expected = 3.5 + sum(vector[:, 0] for vector in VECTORS)
    for one, other in itertools.combinations(VECTORS, 2):
        expected = expected + (one[:, 1:] * other[:, 1:]).sum(axis=1)
    layer = rk.interactions.FactorizationMachine(initial_bias=3.5)
    np.testing.assert_allclose(layer(VECTORS)[:, 0], expected, rtol=1e-5)


def test_vectors_of_a_group_do_not_meet():
    layer = rk.interactions.FactorizationMachine(groups=[[0, 2], [1]])
    user, item, other = VECTORS[0] + VECTORS[2], VECTORS[1], VECTORS[3]
    expected = user[:, 0] + item[:, 0] + other[:, 0]
    for one, another in itertools.combinations([user, item, other], 2):
        expected = expected + (one[:, 1:] * another[:, 1:]).sum(axis=1)
    np.testing.assert_allclose(layer(VECTORS)[:, 0], expected, rtol=1e-5)


def test_a_vector_of_width_one_is_a_bias_alone():
    bias = RNG.normal(size=(5, 1)).astype(np.float32)
    layer = rk.interactions.FactorizationMachine()
    expected = layer(VECTORS) + bias
    np.testing.assert_allclose(layer([VECTORS[0], bias, *VECTORS[1:]]), expected, rtol=1e-5)
    np.testing.assert_allclose(layer([bias, 2 * bias]), 3 * bias, rtol=1e-5)


def test_members_lie_side_by_side():
    machine = rk.interactions.FactorizationMachine
    one, other = VECTORS[:2], VECTORS[2:]
    layer = machine(num_members=2, groups=[[0], [1]])
    both = layer([np.concatenate(pair, axis=1) for pair in zip(one, other, strict=True)])
    np.testing.assert_allclose(both[:, :1], machine()(one), rtol=1e-5)
    np.testing.assert_allclose(both[:, 1:], machine()(other), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "widths", "words"),
    [
        ({"groups": [[0, 0]]}, [3, 3], "groups must be places of 2 vectors, each once"),
        ({"groups": [[0], [2]]}, [3, 3], "groups must be places of 2 vectors, each once"),
        ({"num_members": 2}, [3, 3], "multiples of num_members=2"),
        ({"num_members": 0}, [3, 3], "num_members must be"),
    ],
)
def test_groups_and_members_that_do_not_fit_are_named(arguments, widths, words):
    with pytest.raises(ValueError, match=words):
        rk.interactions.FactorizationMachine(**arguments)([tf.zeros((1, w)) for w in widths])


def test_factorization_machine_is_a_whole_network():
    net = network(rk.interactions.FactorizationMachine(initial_bias=3.5), head=False)
    assert net.output_shape == (None, 1)
    assert net({name: tf.constant(["a"]) for name in net.input}).shape == (1, 1)
    with pytest.raises(ValueError, match="head must be given, where there is no interaction"):
        network(None, head=False)


def test_factorization_machine_scores_in_full_precision():
    layer = rk.interactions.FactorizationMachine(dtype="mixed_float16")
    assert layer(VECTORS).dtype == tf.float32


def test_dot_interaction_is_the_vectors_and_their_products():
    found = rk.interactions.DotInteraction()(VECTORS).numpy()
    np.testing.assert_array_equal(found[:, :12], np.concatenate(VECTORS, axis=1))
    products = found[:, 12:].reshape(5, 4, 4)
    for one, other in itertools.product(range(4), repeat=2):
        expected = (VECTORS[one] * VECTORS[other]).sum(axis=1) if one > other else np.zeros(5)
        np.testing.assert_allclose(products[:, one, other], expected, rtol=1e-5, atol=1e-6)


def test_cross_network_is_its_formula():
    layer = rk.interactions.CrossNetwork(2)
    found = layer(VECTORS).numpy()
    x0 = x = np.concatenate(VECTORS, axis=1)
    weights = iter(layer.get_weights())
    for kernel, bias in zip(weights, weights, strict=True):
        x = x0 * (x @ kernel + bias) + x
    np.testing.assert_allclose(found, x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"num_layers": 0}, {"projection_dim": 0}])
def test_bad_numbers_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
        rk.interactions.CrossNetwork(**arguments)


def test_field_dropout_leaves_whole_vectors_out_while_training():
    vectors = [np.ones((4000, 2), np.float32), np.full((4000, 3), 2, np.float32)]
    layer = rk.interactions.FieldDropout(0.25)
    np.testing.assert_array_equal(layer(vectors, training=False), np.concatenate(vectors, axis=1))
    left = layer(vectors, training=True).numpy()
    for part in (left[:, :2], left[:, 2:]):
        assert (part == part[:, :1]).all()
        assert (part[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.03)
        assert part.mean() == pytest.approx(part.max() * 0.75, rel=0.05)
    together = (left[:, 0] == 0) & (left[:, 2] == 0)
    assert together.mean() == pytest.approx(0.25**2, abs=0.02)  # each by itself


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_field_dropout_refuses_rates_that_are_none(rate):
    with pytest.raises(ValueError, match="rate must be"):
        rk.interactions.FieldDropout(rate)


def test_field_dropout_takes_layers_alone():
    with pytest.raises(TypeError, match="interaction must be"):
        rk.interactions.FieldDropout(0.1, rk.interactions.concatenate)
