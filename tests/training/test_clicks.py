"""Models trained on clicks."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

LOGITS = tf.keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.fixture(scope="module")
def clicks():
    """What users click of what they are shown: good items more, and first places more."""
    rng = np.random.default_rng(7)
    count = 6000
    items, positions = rng.integers(0, 10, count), rng.integers(1, 6, count)
    # Bad items are shown first: by their clicks alone they look good.
    positions = np.where(rng.random(count) < 0.7, 1 + items // 2, positions)
    logits = -1.0 + 0.3 * items - 0.8 * (positions - 1)
    return {
        "user_id": np.array([f"u{user}" for user in rng.integers(0, 20, count)], object),
        "item_id": np.array([f"i{item}" for item in items], object),
        "position": positions,
        "click": (rng.random(count) < 1 / (1 + np.exp(-logits))).astype(np.float32),
    }


def make_model(clicks, training_bias=None):
    tf.keras.utils.set_random_seed(1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(clicks[name]), 4)
        for name in ("user_id", "item_id")
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="click", training_bias=training_bias)
    metrics = [tf.keras.metrics.AUC(from_logits=True, name="auc")]
    model.compile(tf.keras.optimizers.Adam(0.02), loss=LOGITS, metrics=metrics)
    return model


def position_bias():
    layer = rk.layers.IdEmbedding([1, 2, 3, 4, 5], 1, embeddings_initializer="zeros")
    return rk.ranking_network({"position": layer}, interaction=rk.interactions.concatenate)


def order_of(model, clicks):
    ranked = rk.rank(model, {"user_id": "u3"}, {"item_id": rk.data.vocabulary(clicks["item_id"])})
    return np.corrcoef([int(item[1:]) for item, _ in ranked], range(10))[0, 1]


def test_the_position_is_learned_apart_and_switched_off_when_serving(clicks, tmp_path):
    batches = rk.data.batches(clicks, 256, shuffle=True, seed=1)
    plain, biased = make_model(clicks), make_model(clicks, position_bias())
    histories = [model.fit(batches, epochs=12, verbose=0).history for model in (plain, biased)]
    assert histories[1]["auc"][-1] > histories[0]["auc"][-1] + 0.05
    # Without the position, the items that are shown last look bad; with it, they are the best.
    assert order_of(biased, clicks) < -0.9
    assert order_of(plain, clicks) > -0.5
    assert set(biased.feature_specs) == {"user_id", "item_id"}
    [layer] = [each for each in biased.training_bias.layers if hasattr(each, "embedding_dim")]
    assert (np.diff(layer.get_weights()[0][1:, 0]) < 0).all()
    # It is no part of what is evaluated, ranked or exported.
    without = {name: column for name, column in clicks.items() if name != "position"}
    assert biased.evaluate(rk.data.batches(without, 256), verbose=0) == biased.evaluate(
        rk.data.batches(clicks, 256), verbose=0
    )
    rk.export.save(biased, tmp_path / "1")
    sample = {name: clicks[name][:50] for name in ("user_id", "item_id")}
    scorer = rk.export.load(tmp_path / "1")
    assert rk.export.max_abs_difference(scorer, biased, sample) < 1e-5
    with pytest.raises(ValueError, match="Missing feature 'position'"):
        biased.fit(rk.data.batches(without, 256), verbose=0)
    # But of what is saved to go on with.
    biased.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    fixed = rk.data.batches(clicks, 256)
    once = [model.fit(fixed, epochs=1, verbose=0).history["loss"] for model in (biased, loaded)]
    assert once[0] == pytest.approx(once[1], rel=1e-4)


def test_negatives_train_what_clicks_alone_could_not():
    rng = np.random.default_rng(3)
    # Each user likes every third item, and has clicked half of those.
    liked = [(u, i) for u in range(40) for i in range(30) if (u + i) % 3 == 0]
    clicked = rng.random(len(liked)) < 0.5
    users, items = (
        np.array([f"{kind}{each[place]}" for each in liked], object)
        for place, kind in enumerate("ui")
    )
    clicks = {"user_id": users[clicked], "item_id": items[clicked]}
    tf.keras.utils.set_random_seed(1)
    features = {
        name: rk.layers.IdEmbedding.from_column(ids, 5, embeddings_initializer="normal")
        for name, ids in (("user_id", users), ("item_id", items))
    }
    network = rk.models.factorization_machine(features)
    model = rk.RankingModel(network, label="click")
    model.compile(tf.keras.optimizers.Adam(0.03), loss=LOGITS, metrics=[])
    batches = rk.data.with_negatives(clicks, 64, item="item_id", num_negatives=3, seed=1)
    model.fit(batches, epochs=30, verbose=0)
    # What was never clicked, of what they like and of what they do not.
    pairs = [(u, i, (u + i) % 3 == 0) for u in range(40) for i in range(30)]
    known = set(zip(clicks["user_id"], clicks["item_id"], strict=True))
    new = [(f"u{u}", f"i{i}", like) for u, i, like in pairs if (f"u{u}", f"i{i}") not in known]
    rows = dict(
        zip(("user_id", "item_id", "click"), map(list, zip(*new, strict=True)), strict=True)
    )
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id", relevant=1.0)
    assert report.metrics["auc"] == pytest.approx(1.0, abs=0.15)


def test_a_bias_beside_several_heads_or_of_another_shape_is_refused(clicks):
    features = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    position = {"position": rk.layers.IdEmbedding([1], 2)}
    wide = rk.ranking_network(position, interaction=rk.interactions.concatenate)
    with pytest.raises(ValueError, match="training_bias must be"):
        rk.RankingModel(rk.models.tower(features), label="click", training_bias=wide)
    heads = {"a": rk.layers.DenseRatingHead([2])}
    several = rk.ranking_network(features, head=heads, score={"a": 1.0})
    with pytest.raises(TypeError, match=r"training_bias must be a dict.*\{'a': \.\.\.\}"):
        rk.RankingModel(several, label={"a": "click"}, training_bias=position_bias())
    with pytest.raises(ValueError, match="Unknown head in training_bias 'b'"):
        rk.RankingModel(several, label={"a": "click"}, training_bias={"b": position_bias()})
    ordinal = rk.ranking_network(features, head=rk.layers.OrdinalHead((0, 1), [2]))
    model = rk.RankingModel(ordinal, label="click", training_bias=position_bias())
    with pytest.raises(ValueError, match="loss must be of the score, to which training_bias"):
        model.compile("adam", loss=rk.losses.OrdinalLoss((0, 1)))


def test_a_bias_is_that_of_its_head(tmp_path):
    rows = {"user_id": ["u1", "u2"] * 8, "position": [1, 2] * 8}
    rows |= {"click": [1.0, 0.0] * 8, "rating": [1.0, 0.0] * 8}
    features = {"user_id": rk.layers.IdEmbedding(["u1", "u2"], 4, name="user")}
    heads = {name: rk.layers.DenseRatingHead([2]) for name in ("rating", "click")}
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0, "click": 1.0})
    bias = position_bias()
    labels = {"rating": "rating", "click": "click"}
    model = rk.RankingModel(network, label=labels, training_bias={"click": bias})
    loss = {"click": tf.keras.losses.BinaryCrossentropy(from_logits=True)}
    model.compile(tf.keras.optimizers.Adam(0.1), loss=loss, loss_weights={"click": 0.0})
    batches = rk.data.batches(rows, 16)
    model.fit(batches, epochs=1, verbose=0)
    assert not np.any(bias.get_weights()[0])  # only the click, which weighs nothing, would train it
    model.compile(tf.keras.optimizers.Adam(0.1), loss=loss)
    model.fit(batches, epochs=1, verbose=0)
    assert np.any(bias.get_weights()[0])
    assert model.evaluate(batches, verbose=0) != 0.0
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    [weights] = loaded.training_bias["click"].get_weights()
    np.testing.assert_array_equal(weights, bias.get_weights()[0])
    assert set(rk.RankingModel.from_config(model.get_config()).training_bias) == {"click"}


@pytest.mark.parametrize("loss", ["binary_crossentropy", tf.keras.losses.BinaryCrossentropy()])
def test_a_cross_entropy_of_chances_is_refused_for_logits(loss):
    features = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    model = rk.RankingModel(rk.models.tower(features), label="click")
    with pytest.raises(ValueError, match=r"loss must be one of logits.*from_logits=True"):
        model.compile("adam", loss=loss)
    # A head that gives chances may take it, and so may whoever brings a layer of his own.
    bounded = rk.models.tower(features, rating_range=(0, 1))
    sigmoid = rk.ranking_network(features, head=tf.keras.layers.Dense(1, "sigmoid"))
    for network in (bounded, sigmoid):
        rk.RankingModel(network, label="click").compile("adam", loss=loss)
    heads = {"click": rk.layers.DenseRatingHead([4])}
    several = rk.ranking_network(features, head=heads, score={"click": 1.0})
    with pytest.raises(ValueError, match="loss must be one of logits"):
        rk.RankingModel(several, label={"click": "click"}).compile("adam", loss={"click": loss})


def compiled(head=None, **kwargs):
    features = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    network = rk.ranking_network(features, head=head or rk.layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="click")
    logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", **{"loss": logits, **kwargs})
    return model


FOCAL = tf.keras.losses.BinaryFocalCrossentropy()


@pytest.mark.parametrize(
    "change",
    [
        {"loss": FOCAL},
        {"loss": "binary_focal_crossentropy"},
        {"loss": tf.keras.losses.binary_crossentropy},
        {"metrics": [tf.keras.metrics.AUC(name="auc")]},
        {"metrics": [tf.keras.metrics.BinaryCrossentropy()]},
        {"weighted_metrics": [tf.keras.losses.binary_crossentropy]},
        {"metrics": ["precision"]},
        {"metrics": ["binary_accuracy"]},
        {"head": rk.layers.DenseRatingHead([4], rating_range=(0, 1))},
    ],
)
def test_logits_are_not_taken_for_chances(change):
    words = r"(loss|metrics) must be .*(logit|chances).*Got: \w+='\w+'\. (Write|Give)"
    with pytest.raises(ValueError, match=words):
        compiled(**change)


def test_metrics_of_clicks_by_name_are_of_logits():
    model = compiled(metrics=["auc", "binary_crossentropy", "mae"])
    rows = {"user_id": ["u1", "u2", "u1", "u2"], "click": [1.0, 0.0, 0.0, 1.0]}
    found = model.evaluate(rk.data.batches(rows, 4), verbose=0, return_dict=True)
    assert found["binary_crossentropy"] == pytest.approx(found["loss"], rel=1e-6)
    assert found["auc"] == pytest.approx(0.5, abs=0.3)
    assert [metric.name for metric in compiled().metrics][-1] == "auc"
    assert compiled().metrics[-1].get_config()["from_logits"]
    # Where the head gives chances, they are of chances.
    chances = rk.layers.DenseRatingHead([4], rating_range=(0, 1))
    model = compiled(head=chances, loss="binary_crossentropy", metrics=["auc"])
    assert not model.metrics[-1].get_config()["from_logits"]


def test_labels_beyond_0_and_1_are_refused():
    rows = {"user_id": ["u1", "u2"], "click": [1.0, 4.0]}
    with pytest.raises(ValueError, match="Labels must be from 0 to 1 for a cross entropy"):
        compiled().fit(rk.data.batches(rows, 2), verbose=0)


def test_a_bias_is_added_in_full_precision():
    rows = {"user_id": ["u1", "u2"], "click": [1.0, 0.0], "position": [1, 2]}
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        features = {"user_id": rk.layers.IdEmbedding(["u1", "u2"], 4)}
        bias = position_bias()
        model = rk.RankingModel(rk.models.tower(features), label="click", training_bias=bias)
        model.compile("adam", loss=tf.keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(rk.data.batches(rows, 2), verbose=0)
        assert np.any(bias.get_weights()[0])
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
