"""Models with an `OrdinalHead`: distributions over rating levels."""

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
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in names}
    network = rk.ranking_network(features, head=rk.layers.OrdinalHead(LEVELS, [8]))
    model = rk.RankingModel(network, label="user_rating")
    loss = rk.losses.OrdinalLoss(LEVELS)
    model.compile(tf.keras.optimizers.Adam(0.02), **{"loss": loss, **kwargs})
    return model


@pytest.fixture(scope="module")
def trained(rows):
    """A trained model and its history."""
    model = make_model(rows)
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    return model, model.fit(batches, epochs=12, verbose=0).history


def first_rows(rows, count=50):
    return {name: rows[name][:count] for name in ("user_id", "item_id")}


def test_training_learns_more_than_the_frequencies_of_the_levels(rows, trained):
    model, history = trained
    frequencies = np.bincount(rows["user_rating"].astype(int))[1:] / len(rows["user_rating"])
    assert history["loss"][-1] < -np.sum(frequencies * np.log(frequencies))
    assert history["root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    predicted = model.predict(rk.data.batches(rows, 500), verbose=0)["distribution"]
    np.testing.assert_allclose(predicted.mean(axis=0), frequencies, atol=0.03)


def test_score_and_std_are_those_of_the_distribution(rows, trained):
    model, _ = trained
    outputs = {name: output.numpy() for name, output in model(first_rows(rows)).items()}
    probabilities = outputs["distribution"]
    assert probabilities.shape == (50, 5)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    means = probabilities @ LEVELS
    np.testing.assert_allclose(outputs["score"][:, 0], means, rtol=1e-5)
    variances = (probabilities * (np.array(LEVELS) - means[:, None]) ** 2).sum(axis=1)
    np.testing.assert_allclose(outputs["std"][:, 0], np.sqrt(variances), rtol=1e-4)


def test_saved_and_exported_models_have_all_outputs(rows, trained, reload, tmp_path):
    model, _ = trained
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    exported = [rk.export.load(tmp_path / file) for file in ("1", "ranker.tflite")]
    found = [scorer.outputs_of(first_rows(rows)) for scorer in exported]
    expected = model(first_rows(rows))
    for outputs in (*found, reload(model)(first_rows(rows))):
        assert set(outputs) == set(expected)
        for name, output in expected.items():
            np.testing.assert_allclose(outputs[name], output, atol=1e-5)


def test_candidates_are_ranked_and_evaluated_by_the_mean(rows, trained):
    model, _ = trained
    ranked = rk.rank(model, {"user_id": "u1"}, {"item_id": rk.data.vocabulary(rows["item_id"])})
    assert all(1 < score < 5 for _, score in ranked)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id")
    assert report.metrics["rmse"] < report.lines[2]["rmse"]  # the best baseline


def test_ordinal_head_may_be_one_of_several(rows):
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 4)}
    ordinal, click = rk.layers.OrdinalHead(LEVELS, [8]), rk.layers.DenseRatingHead([8])
    heads = {"rating": ordinal, "click": click}
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
    assert set(network.output_shape) == {
        "score", "rating", "click",
        "rating_std", "rating_distribution", "rating_log_distribution",
    }  # fmt: skip
    model = rk.RankingModel(network, label={"rating": "user_rating", "click": "click"})
    logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    losses = {"rating": rk.losses.OrdinalLoss(LEVELS), "click": logits}
    model.compile("adam", loss=losses, run_eagerly=True)
    clicks = {**rows, "click": (rows["user_rating"] >= 4).astype(np.float32)}
    history = model.fit(rk.data.batches(clicks, 500), epochs=3, verbose=0).history
    assert history["rating_loss"][-1] < history["rating_loss"][0]


def test_loss_of_keras_is_computed_from_the_score(rows):
    model = make_model(rows, loss="mean_squared_error", run_eagerly=True)
    logs = model.evaluate(rk.data.batches(rows, 500), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(logs["root_mean_squared_error"] ** 2, rel=1e-4)


def test_distribution_is_that_of_the_proportional_odds_model():
    head = rk.layers.OrdinalHead((0.0, 1.0, 4.0), [])
    inputs = tf.constant([[0.7]])
    head(inputs)
    kernel, bias, first, gaps = 2.0, -0.4, -0.3, 0.9
    head.set_weights([np.array([[kernel]]), np.array([bias]), np.array([first]), np.array([gaps])])
    x = kernel * 0.7 + bias
    thresholds = np.array([first, first + np.log1p(np.exp(gaps))])
    at_most = 1 / (1 + np.exp(x - thresholds))
    expected = np.diff(np.concatenate([[0.0], at_most, [1.0]]))
    outputs = head(inputs)
    np.testing.assert_allclose(outputs["distribution"][0], expected, rtol=1e-5)
    np.testing.assert_allclose(outputs["log_distribution"][0], np.log(expected), rtol=1e-5)


@pytest.mark.parametrize("logit", [-1e4, -30.0, 0.0, 30.0, 1e4])
def test_loss_and_gradients_are_finite_for_extreme_logits(logit):
    head = rk.layers.OrdinalHead(LEVELS, [])
    loss = rk.losses.OrdinalLoss(LEVELS)
    inputs = tf.constant([[logit]])
    head(inputs)
    with tf.GradientTape() as tape:
        values = loss([[1.0], [3.0], [5.0]], tf.repeat(head(inputs)["log_distribution"], 3, axis=0))
    assert np.isfinite(values).all()
    gradients = tape.gradient(values, head.trainable_variables)
    assert all(np.isfinite(each).all() for each in gradients)
    assert any(np.any(each) for each in gradients)


def test_loss_is_the_negative_log_probability_of_the_label():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], np.float32)
    found = rk.losses.OrdinalLoss((1, 2, 4))([[4.0], [1.0]], np.log(probabilities))
    np.testing.assert_allclose(found, -np.log([0.7, 0.5]), rtol=1e-6)


@pytest.mark.parametrize("make", [rk.layers.OrdinalHead, rk.losses.OrdinalLoss])
@pytest.mark.parametrize(
    ("levels", "error", "text"),
    [
        *[(levels, ValueError, "at least two finite numbers in ascending order") for levels in
          ((1,), (1, 1), (2, 1), (1, np.inf), (1, np.nan))],
        (("a", "b"), TypeError, "a sequence of numbers"),
    ],
)  # fmt: skip
def test_unsuitable_levels_raise(make, levels, error, text):
    with pytest.raises(error, match=f"^levels must be {text}.*Got: levels="):
        make(levels)


def test_loss_that_does_not_fit_the_head_raises(rows):
    text = r"Levels of the loss must be those of the head, \(1\.0, .*Got: \(0\.0"
    with pytest.raises(ValueError, match=text):
        make_model(rows, loss=rk.losses.OrdinalLoss((0, 1, 2, 3, 4)))
    network = rk.models.tower({"user_id": rk.layers.IdEmbedding(["7"], 4)})
    model = rk.RankingModel(network, label="user_rating")
    with pytest.raises(ValueError, match="that ordinal_loss reads 'log_distribution'"):
        model.compile("adam", loss=rk.losses.OrdinalLoss(LEVELS))


def test_labels_between_the_levels_raise(rows):
    between = {**rows, "user_rating": rows["user_rating"] + 0.5}
    with pytest.raises(ValueError, match=r"^Labels must be levels of the loss, .* Got: 5\.5"):
        make_model(rows).fit(rk.data.batches(between, 64), verbose=0)
