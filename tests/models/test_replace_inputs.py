import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
RNG = np.random.default_rng(0)
ROWS = {
    "user_id": RNG.choice([*"uvw"], 60).astype(object),
    "item_id": RNG.choice([*"abcdx"], 60).astype(object),
    "day": RNG.integers(0, 4, 60),
    "click": RNG.integers(0, 2, 60).astype(np.float32),
}
ENCODING = L.TargetEncoding.from_columns(ROWS["item_id"][:40], ROWS["click"][:40], smoothing=2.0)
PAIRS = L.CountEncoding.from_columns({name: ROWS[name][:40] for name in ("user_id", "day")})
NUMBERS = {
    "item_rate": ENCODING(tf.constant(ROWS["item_id"]))[:, 0].numpy(),
    "user_days": PAIRS([tf.constant(ROWS["user_id"]), tf.constant(ROWS["day"])])[:, 0].numpy(),
}
REPLACED = {"item_rate": ("item_id", ENCODING), "user_days": (("user_id", "day"), PAIRS)}


def make_features():
    return {
        "user_id": L.IdEmbedding([*"uvw"], 4),
        "item_rate": L.NormalizedNumber(0.5, 0.2, embedding_dim=4),
        "user_days": L.BucketEmbedding([0.5, 1.0, 2.0], 4),
    }


HEADS = {name: L.DenseRatingHead([2]) for name in ("click", "like")}
NETWORKS = {
    "tower": lambda: rk.models.tower(make_features(), hidden_units=[8]),
    "deepfm": lambda: rk.models.deepfm(make_features(), hidden_units=[8]),
    "heads": lambda: rk.models.mmoe(make_features(), HEADS, score={"click": 1.0, "like": 0.5}),
    "ensemble": lambda: rk.ensemble(
        [rk.models.tower(make_features(), hidden_units=[4]) for _ in range(2)]
    ),
    "replaced twice": lambda: rk.models.replace_inputs(
        rk.models.tower({**make_features(), "rate": L.NormalizedNumber(0.5, 1.0)}),
        {"rate": ("item_id", ENCODING)},
    ),
}


every_network = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("tower", "heads")))
        for name in NETWORKS
    ],
)


def assert_equal(found, expected):
    for one, other in zip(*map(tf.nest.flatten, (found, expected)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@every_network
def test_scores_are_those_of_the_computed_numbers(name, check_exports):
    network = NETWORKS[name]()
    served = rk.models.replace_inputs(network, REPLACED)
    assert set(served.input) == {"user_id", "item_id", "day"}
    specs = {each: tensor.dtype for each, tensor in network.input.items()}
    columns = {each: tf.constant({**ROWS, **NUMBERS}[each], specs[each]) for each in specs}
    raw = {each: tf.constant(ROWS[each]) for each in served.input}
    expected, found = network(columns), served(raw)
    assert_equal(found, expected)
    for weight in network.trainable_weights:
        weight.assign(weight * 1.5)
    assert len(served.trainable_weights) == len(network.trainable_weights)
    expected, found = network(columns), served(raw)
    assert_equal(found, expected)
    labels = {"click": "click", "like": "click"} if name == "heads" else "click"
    model = rk.RankingModel(served, label=labels)
    check_exports(model, raw)
    scores = np.ravel(expected["score"] if name == "heads" else expected)
    evaluated = rk.evaluate_ranking(model, ROWS, query="user_id", item="item_id", label="click")
    direct = rk.evaluate_ranking(scores, ROWS, query="user_id", item="item_id", label="click")
    assert evaluated.metrics == pytest.approx(direct.metrics, nan_ok=True)


@every_network
def test_rank_and_candidate_indexes_take_raw_ids(name):
    served = rk.models.replace_inputs(NETWORKS[name](), REPLACED)
    items = ["a", "b", "c", "d", "x", "new"]
    repeated = {"user_id": ["u"] * 6, "day": [1] * 6, "item_id": items}
    expected = served({each: tf.constant(column) for each, column in repeated.items()})
    expected = np.ravel(expected["score"] if name == "heads" else expected)
    for candidates in ({"item_id": items}, rk.CandidateIndex(served, {"item_id": items})):
        ranked = dict(rk.rank(served, {"user_id": "u", "day": 1}, candidates))
        np.testing.assert_allclose([ranked[each] for each in items], expected, atol=1e-5)


def test_network_trains_on_the_column_and_goes_on_from_ids():
    column, encoding = L.TargetEncoding.out_of_fold(ROWS["item_id"], ROWS["click"])
    rows = {**ROWS, "item_rate": column}
    features = {"item_rate": L.NormalizedNumber.from_column(column)}
    network = rk.models.tower(features, hidden_units=[4])
    for made, data in (
        (network, rows),
        (rk.models.replace_inputs(network, {"item_rate": ("item_id", encoding)}), ROWS),
    ):
        model = rk.RankingModel(made, label="click")
        model.compile("adam", loss="mse")
        before = [weight.copy() for weight in network.get_weights()]
        model.fit(rk.data.batches(data, 20), epochs=2, verbose=0)  # with lookups in memory
        pairs = zip(before, network.get_weights(), strict=True)
        assert any((old != new).any() for old, new in pairs)


def replace(features, network=None):
    return rk.models.replace_inputs(network or NETWORKS["tower"](), features)


@pytest.mark.parametrize(
    ("features", "error", "text"),
    [
        ({"rate": ("item_id", ENCODING)}, ValueError, "Unknown feature of the network 'rate'"),
        ({}, ValueError, "features must be a dict with at least one"),
        ({"item_rate": 3}, TypeError, r"features\['item_rate'\] must be a tf.keras layer"),
        (
            {"item_rate": (("a", "b"), ENCODING)},
            ValueError,
            "source columns of feature 'item_rate'",
        ),
        (
            {"item_rate": ("item_id", L.IdEmbedding(["a"], 2))},
            ValueError,
            r"output of layer .* must be float32 of shape \(None,\), as feature 'item_rate'. Got: "
            r"'float32 of shape \(None, 2\)'",
        ),
        (
            {"item_rate": ("item_id", L.CountEncoding(["a"], [2], dtype="mixed_bfloat16"))},
            ValueError,
            "must be float32 of .* Got: 'bfloat16.* with dtype='float32'",
        ),
        ({"user_id": ("item_id", ENCODING)}, ValueError, "must be string of .* as feature 'user"),
        (
            {"item_rate": ("user_id", L.CountEncoding([1], [2]))},
            ValueError,
            "spec of column 'user_id' must be .*string.* Got: .*int64",
        ),
        (
            {"item_rate": ("item_id", L.CountEncoding(["a"], [2], name="user_id"))},
            ValueError,
            'name "user_id" is used 2 times',  # an error of Keras
        ),
    ],
)
def test_what_does_not_fit_is_refused(features, error, text):
    with pytest.raises(error, match=text):
        replace(features)


def test_other_networks_are_refused():
    with pytest.raises(TypeError, match="network must be a Functional tf.keras.Model"):
        replace(REPLACED, tf.keras.Sequential())
