"""Heads over rating levels."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(1500, num_users=25, num_items=20, seed=3)
    ratings = columns["user_rating"]
    scaled = 3 + (ratings - ratings.mean()) / ratings.std()
    columns["user_rating"] = np.clip(scaled.round(), 1, 5).astype(np.float32)
    return columns


def make_model(rows, **kwargs):
    tf.keras.utils.set_random_seed(1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }
    network = rk.ranking_network(features, head=rk.layers.OrdinalHead(LEVELS, [8]))
    model = rk.RankingModel(network, label="user_rating")
    loss = rk.losses.OrdinalLoss(LEVELS)
    model.compile(tf.keras.optimizers.Adam(0.02), **{"loss": loss, **kwargs})
    return model


def test_it_gives_a_distribution_whose_mean_is_the_score(rows, tmp_path):
    model = make_model(rows)
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=15, verbose=0).history
    assert list(history) == [
        "loss", "regularization_loss", "total_loss", "root_mean_squared_error",
    ]  # fmt: skip
    shares = np.bincount(rows["user_rating"].astype(int))[1:] / len(rows["user_rating"])
    assert history["loss"][-1] < -np.sum(shares * np.log(shares))  # knows more than the shares
    assert history["root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    sample = {name: rows[name][:50] for name in ("user_id", "item_id")}
    outputs = {name: output.numpy() for name, output in model(sample).items()}
    chances = outputs["distribution"]
    assert chances.shape == (50, 5)
    assert (chances > 0).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-5)
    means = chances @ LEVELS
    np.testing.assert_allclose(outputs["score"][:, 0], means, rtol=1e-5)
    spread = np.sqrt((chances * (np.array(LEVELS) - means[:, None]) ** 2).sum(axis=1))
    np.testing.assert_allclose(outputs["std"][:, 0], spread, rtol=1e-4)
    # Of all rows together, what is predicted is what came.
    whole = model.predict(batches, verbose=0)["distribution"]
    np.testing.assert_allclose(whole.mean(axis=0), shares, atol=0.03)
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    model.save(tmp_path / "model.keras")
    for file in ("1", "ranker.tflite"):
        found = rk.export.load(tmp_path / file).outputs_of(sample)
        for name, output in outputs.items():
            np.testing.assert_allclose(found[name], output, atol=1e-5)
    loaded = rk.export.load(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(sample)["distribution"], chances, atol=1e-6)
    ranked = rk.rank(model, {"user_id": "u1"}, {"item_id": rk.data.vocabulary(rows["item_id"])})
    assert all(1 < score < 5 for _, score in ranked)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id")
    assert report.metrics["rmse"] < report.lines[2]["rmse"]


@pytest.mark.parametrize("shift", [-1e4, -30.0, 0.0, 30.0, 1e4])
def test_chances_and_gradients_are_finite_far_from_the_thresholds(shift):
    head = rk.layers.OrdinalHead(LEVELS, [])
    loss = rk.losses.OrdinalLoss(LEVELS)
    inputs = tf.constant([[shift]])
    head(inputs)
    with tf.GradientTape() as tape:
        values = loss([[1.0], [3.0], [5.0]], tf.repeat(head(inputs)["log_distribution"], 3, axis=0))
    assert np.isfinite(values).all()
    gradients = tape.gradient(values, head.trainable_variables)
    assert all(np.isfinite(each).all() for each in gradients)
    assert any(np.any(each) for each in gradients)  # whoever is far off learns


def test_thresholds_are_the_proportional_odds_model():
    head = rk.layers.OrdinalHead((0.0, 1.0, 4.0), [])
    inputs = tf.constant([[0.7]])
    head(inputs)
    kernel, bias, first, gaps = 2.0, -0.4, -0.3, 0.9
    head.set_weights([np.array([[kernel]]), np.array([bias]), np.array([first]), np.array([gaps])])
    x = kernel * 0.7 + bias
    thresholds = np.array([first, first + np.log1p(np.exp(gaps))])
    at_most = 1 / (1 + np.exp(x - thresholds))
    wanted = np.diff(np.concatenate([[0.0], at_most, [1.0]]))
    outputs = head(inputs)
    np.testing.assert_allclose(outputs["distribution"][0], wanted, rtol=1e-5)
    np.testing.assert_allclose(outputs["log_distribution"][0], np.log(wanted), rtol=1e-5)


def test_the_loss_is_the_log_of_the_labels_chance():
    chances = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], np.float32)
    found = rk.losses.OrdinalLoss((1, 2, 4))([[4.0], [1.0]], np.log(chances))
    np.testing.assert_allclose(found, -np.log([0.7, 0.5]), rtol=1e-6)


def test_another_loss_is_of_the_score(rows):
    model = make_model(rows, loss="mean_squared_error")
    history = model.fit(rk.data.batches(rows, 64), epochs=3, verbose=0).history
    rmse = history["root_mean_squared_error"][-1]
    assert history["loss"][-1] == pytest.approx(rmse**2, rel=1e-4)


def test_it_may_be_one_of_several_heads(rows):
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 4)}
    heads = {
        "rating": rk.layers.OrdinalHead(LEVELS, [8]),
        "click": rk.layers.DenseRatingHead([8]),
    }
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
    assert set(network.output_shape) == {
        "score", "rating", "click",
        "rating_std", "rating_distribution", "rating_log_distribution",
    }  # fmt: skip
    model = rk.RankingModel(network, label={"rating": "user_rating", "click": "click"})
    logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile("adam", loss={"rating": rk.losses.OrdinalLoss(LEVELS), "click": logits})
    clicks = {**rows, "click": (rows["user_rating"] >= 4).astype(np.float32)}
    history = model.fit(rk.data.batches(clicks, 64), epochs=3, verbose=0).history
    assert history["rating_loss"][-1] < history["rating_loss"][0]


def test_what_does_not_fit_is_named(rows):
    for levels in ((1,), (1, 1), (2, 1), (1, np.inf), (1, np.nan)):
        with pytest.raises(ValueError, match="levels must be at least two numbers that ascend"):
            rk.layers.OrdinalHead(levels)
        with pytest.raises(ValueError, match="levels must be at least two numbers that ascend"):
            rk.losses.OrdinalLoss(levels)
    for levels in (5, "12", ("a", "b"), (True, 2)):
        for kind in (rk.layers.OrdinalHead, rk.losses.OrdinalLoss):
            with pytest.raises(TypeError, match="levels must be a sequence of numbers"):
                kind(levels)
    with pytest.raises(ValueError, match=r"levels of the loss must be those of the head, \(1.0, 2"):
        make_model(rows, loss=rk.losses.OrdinalLoss((0, 1, 2, 3, 4)))
    between = {**rows, "user_rating": rows["user_rating"] + 0.5}
    with pytest.raises(ValueError, match="Labels must be levels of the loss"):
        make_model(rows).fit(rk.data.batches(between, 64), verbose=0)
    network = rk.models.tower({"user_id": rk.layers.IdEmbedding(["7"], 4)})
    model = rk.RankingModel(network, label="user_rating")
    with pytest.raises(ValueError, match="that ordinal_loss reads 'log_distribution'"):
        model.compile("adam", loss=rk.losses.OrdinalLoss(LEVELS))


def test_chances_are_in_full_precision(rows):
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = make_model(rows)
        model.fit(rk.data.batches(rows, 256), epochs=1, verbose=0)
        outputs = model({name: rows[name][:5] for name in ("user_id", "item_id")})
        assert {each.dtype for each in outputs.values()} == {tf.float32}
        np.testing.assert_allclose(tf.reduce_sum(outputs["distribution"], axis=1), 1, rtol=1e-5)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def test_the_tower_has_its_arguments():
    head = rk.layers.OrdinalHead((1, 2), [4], activation="tanh", dropout_rate=0.5)
    again = rk.layers.OrdinalHead.from_config(head.get_config())
    assert again.get_config() == head.get_config()
    assert head.get_config()["dropout_rate"] == 0.5
    assert head(tf.zeros((1, 3)))["score"].shape == (1, 1)
    with pytest.raises(ValueError, match="dropout_rate must be in"):
        rk.layers.OrdinalHead((1, 2), dropout_rate=1.0)
