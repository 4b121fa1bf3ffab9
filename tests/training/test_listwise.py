"""Models trained with listwise and pairwise losses."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk


@pytest.fixture(scope="module")
def rows():
    """Ratings from 0 to 4 by users who all prefer the last items."""
    rng = np.random.default_rng(4)
    items = rng.integers(0, 20, 600)
    return {
        "user_id": np.array([f"u{user}" for user in rng.integers(0, 30, 600)], object),
        "item_id": np.array([f"i{item:02}" for item in items], object),
        "rating": np.clip((items / 5 + rng.normal(0, 0.5, 600)).round(), 0, 4).astype(np.float32),
        "weight": rng.uniform(0.5, 2.0, 600).astype(np.float32),
    }


def make_model(rows, loss=None, sample_weight=None, **kwargs):
    tf.keras.utils.set_random_seed(1)
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in names}
    network = rk.models.tower(features, hidden_units=[8])
    model = rk.RankingModel(network, label="rating", sample_weight=sample_weight)
    model.compile(tf.keras.optimizers.Adam(0.02), loss=loss, **kwargs)
    return model


def make_list(rows, model):
    """All lists in one batch, with the scores of the model as a column; the labels are padded."""
    scores = model.predict(rk.data.batches(rows, 600), verbose=0)[:, 0]
    [batch] = rk.data.lists({**rows, "score": scores}, 30)
    return np.where(batch["mask"], batch["rating"], np.nan), batch


# --- Training ---


@pytest.mark.parametrize("loss", [rk.losses.LambdaRankLoss(), rk.losses.SoftmaxLoss()])
def test_training_ranks_the_preferred_items_first(rows, loss):
    model = make_model(rows, loss)
    lists = rk.data.lists(rows, 8, shuffle=True, seed=1)
    history = model.fit(lists, epochs=15, verbose=0).history
    assert list(history) == ["loss", "regularization_loss", "total_loss", "ndcg_at_10"]
    assert history["loss"][-1] < history["loss"][0]
    assert history["ndcg_at_10"][-1] > 0.9 > history["ndcg_at_10"][0]
    ranked = rk.rank(model, {"user_id": "u3"}, {"item_id": rk.data.vocabulary(rows["item_id"])})
    assert np.corrcoef([int(item[1:]) for item, _ in ranked], range(20))[0, 1] < -0.8


def test_features_and_labels_may_be_passed_as_a_tuple(rows):
    model, other = (make_model(rows, rk.losses.SoftmaxLoss(), run_eagerly=True) for _ in range(2))
    lists = rk.data.lists(rows, 8, seed=1)
    model.fit(lists, epochs=2, verbose=0)
    other.fit(lists.map(lambda batch: (batch, batch["rating"])), epochs=2, verbose=0)
    # The last bias shifts all scores: its gradient is 0, apart from rounding.
    for one, two in zip(model.get_weights()[:-1], other.get_weights()[:-1], strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


# --- Loss and metrics ---


def test_loss_is_the_mean_over_lists_and_metrics_of_rows_are_means_over_rows(rows):
    loss = rk.losses.PairwiseLogisticLoss()
    rmse = tf.keras.metrics.RootMeanSquaredError(name="rmse")
    model = make_model(rows, loss, metrics=[rmse, rk.metrics.NDCG(5)], run_eagerly=True)
    found = model.evaluate(rk.data.lists(rows, 7), verbose=0, return_dict=True)
    labels, batch = make_list(rows, model)
    assert found["loss"] == pytest.approx(np.mean(loss(labels, batch["score"])), rel=1e-5)
    squares = np.nanmean((batch["score"].numpy() - labels) ** 2)
    assert found["rmse"] == pytest.approx(np.sqrt(squares), rel=1e-5)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id", k=5)
    assert found["ndcg_at_5"] == pytest.approx(report.metrics["ndcg_at_5"], rel=1e-5)


def test_ragged_features_are_evaluated_without_padding(rows):
    rows = {**rows, "tags": [["even"] * (number % 2) for number in range(600)]}
    features = {
        "tags": rk.layers.TagsEmbedding(["even", "odd"], 4),
        "item_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["item_id"]), 4),
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad", loss=rk.losses.SoftmaxLoss(), run_eagerly=True)
    found = model.evaluate(rk.data.lists(rows, 8), verbose=0, return_dict=True)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id")
    assert found["ndcg_at_10"] == pytest.approx(report.metrics["ndcg_at_10"], rel=1e-5)


# --- Sample weights ---


@pytest.mark.parametrize("by_item", [True, False], ids=["of items", "of lists"])
def test_sample_weights_of_lists_or_items_weight_the_loss_and_the_metrics(rows, by_item):
    loss = rk.losses.SoftmaxLoss()
    settings = {"weighted_metrics": ["mean_squared_error"], "run_eagerly": True}
    model = make_model(rows, loss, sample_weight="weight", **settings)
    labels, batch = make_list(rows, model)
    weights = batch["weight"].numpy() if by_item else batch["weight"].numpy()[:, 0]
    data = tf.data.Dataset.from_tensors({**batch, "weight": weights})
    found = model.evaluate(data, verbose=0, return_dict=True)
    expected = loss(labels, batch["score"], sample_weight=weights)
    assert found["loss"] == pytest.approx(np.mean(expected), rel=1e-5)
    mask = batch["mask"].numpy()
    weights = np.broadcast_to(weights if by_item else weights[:, None], mask.shape)[mask]
    squares = (batch["score"].numpy()[mask] - labels[mask]) ** 2
    assert found["mean_squared_error"] == pytest.approx(np.average(squares, weights=weights), 1e-5)


def test_shape_of_sample_weights_may_change_between_evaluations(rows):
    model = make_model(rows, rk.losses.SoftmaxLoss(), sample_weight="weight")
    lists = rk.data.lists(rows, 8)

    def evaluate(shape_weights):
        def weigh(batch):
            weights = tf.cast(tf.range(1, tf.shape(batch["mask"])[0] + 1), tf.float32)
            return {**batch, "weight": shape_weights(weights, batch)}

        return model.evaluate(lists.map(weigh), verbose=0, return_dict=True)

    of_lists = evaluate(lambda weights, batch: weights)
    for shape_weights in (
        lambda weights, batch: weights[:, tf.newaxis] * tf.ones_like(batch["rating"]),
        lambda weights, batch: weights[:, tf.newaxis],
        lambda weights, batch: weights,
    ):
        assert evaluate(shape_weights) == pytest.approx(of_lists, rel=1e-5)
    wrong = lists.map(lambda batch: {**batch, "weight": tf.ones(3)})
    text = r"^There must be one sample weight per list or one per item\. Got: 3 sample weights for "
    with pytest.raises(ValueError, match=text):
        model.evaluate(wrong, verbose=0)


# --- Warnings and errors ---


def test_lists_without_an_order_are_counted_in_a_single_warning(rows):
    rows = {name: np.concatenate([column, column[:1]]) for name, column in rows.items()}
    rows["user_id"][-1] = "alone"
    model = make_model(rows, rk.losses.SoftmaxLoss())
    lists = rk.data.lists(rows, 8)
    with pytest.warns(UserWarning, match="carry no training signal: 1 of 31 lists"):
        model.fit(lists, epochs=1, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(lists, epochs=2, verbose=0)


def test_warning_counts_validation_lists_apart_from_training_lists(rows):
    model = make_model(rows, rk.losses.SoftmaxLoss(), run_eagerly=True)
    lists = rk.data.lists(rows, 8)
    single = {name: column[:1] for name, column in rows.items()}
    with pytest.warns(UserWarning, match="carry no training signal: 1 of 1 lists") as warned:
        model.fit(lists, validation_data=rk.data.lists(single, 1), epochs=1, verbose=0)
    assert len(warned) == 1


def test_batches_that_do_not_fit_the_loss_raise(rows):
    lists, batches = rk.data.lists(rows, 8), rk.data.batches(rows, 64)
    listwise, of_rows = make_model(rows, rk.losses.SoftmaxLoss()), make_model(rows)
    text = r"^A listwise loss needs batches of lists.*rankkit\.data\.lists"
    with pytest.raises(TypeError, match=text):
        listwise.fit(batches, verbose=0)
    text = r"^The loss needs batches of single rows.*rankkit\.data\.batches"
    with pytest.raises(TypeError, match=text):
        of_rows.fit(lists, verbose=0)
    text = r"^predict scores single rows, whatever the loss.*rankkit\.data\.batches"
    with pytest.raises(TypeError, match=text):
        listwise.predict(lists, verbose=0)


def test_labels_outside_the_range_of_the_gains_raise(rows):
    rows = {**rows, "rating": rows["rating"] - 3}
    model = make_model(rows, rk.losses.LambdaRankLoss(), metrics=["mean_squared_error"])
    with pytest.raises(ValueError, match="^Labels must be finite and at least 0 for gains.*Shift"):
        model.fit(rk.data.lists(rows, 8), verbose=0)
