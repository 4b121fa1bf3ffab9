"""Models trained on lists."""

import warnings

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.losses import (
    ApproxNDCGLoss,
    LambdaRankLoss,
    ListMLELoss,
    PairwiseHingeLoss,
    PairwiseLogisticLoss,
    SoftmaxLoss,
)

LOSSES = [
    ApproxNDCGLoss(temperature=1.0),
    LambdaRankLoss(),
    ListMLELoss(),
    PairwiseHingeLoss(),
    PairwiseLogisticLoss(),
    SoftmaxLoss(),
]
losses = pytest.mark.parametrize("loss", LOSSES, ids=[loss.name for loss in LOSSES])


@pytest.fixture(scope="module")
def rows():
    """Ratings of 0 to 4 by users who all like the items of high numbers."""
    rng = np.random.default_rng(4)
    items = rng.integers(0, 20, 900)
    columns, _ = rk.data.synthetic_ratings(900, num_users=30, num_items=20, seed=3)
    columns["item_id"] = np.array([f"i{item:02}" for item in items], object)
    noisy = items / 5 + rng.normal(0, 0.5, 900)
    columns["user_rating"] = np.clip(noisy.round(), 0, 4).astype(np.float32)
    columns["weight"] = rng.uniform(0.5, 2.0, 900).astype(np.float32)
    return columns


def make_model(rows, loss=None, sample_weight=None, **kwargs):
    tf.keras.utils.set_random_seed(1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="user_rating", sample_weight=sample_weight)
    model.compile(tf.keras.optimizers.Adam(0.02), loss=loss, **kwargs)
    return model


@losses
def test_a_loss_over_lists_orders_what_users_like(rows, loss, tmp_path):
    model = make_model(rows, loss)
    lists = rk.data.lists(rows, 8, shuffle=True, seed=1)
    history = model.fit(lists, epochs=15, verbose=0).history
    assert list(history) == ["loss", "regularization_loss", "total_loss", "ndcg_at_10"]
    assert history["loss"][-1] < history["loss"][0]
    assert history["ndcg_at_10"][-1] > 0.9 > history["ndcg_at_10"][0]
    ranked = rk.rank(model, {"user_id": "user_3"}, {"item_id": rk.data.vocabulary(rows["item_id"])})
    places = [int(item[1:]) for item, _ in ranked]
    assert np.corrcoef(places, range(20))[0, 1] < -0.8
    # And goes on through everything.
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    sample = {name: rows[name][:50] for name in ("user_id", "item_id")}
    for file in ("1", "ranker.tflite"):
        scorer = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, scorer, sample) < 1e-5
    assert loaded.evaluate(lists, verbose=0) == pytest.approx(
        model.evaluate(lists, verbose=0), rel=1e-5
    )


def test_the_loss_is_the_mean_over_lists_and_metrics_over_rows_are_of_rows(rows):
    rmse = tf.keras.metrics.RootMeanSquaredError()
    model = make_model(rows, PairwiseLogisticLoss(), metrics=[rmse, rk.metrics.NDCG(5)])
    found = model.evaluate(rk.data.lists(rows, 7), verbose=0, return_dict=True)
    scores = model.predict(rk.data.batches(rows, 900), verbose=0)[:, 0]
    [whole] = rk.data.lists({**rows, "score": scores}, 30)
    labels = np.where(whole["mask"], whole["user_rating"], np.nan)
    losses = PairwiseLogisticLoss()(labels, whole["score"])
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    errors = scores - rows["user_rating"]
    assert found["root_mean_squared_error"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id", k=5)
    assert found["ndcg_at_5"] == pytest.approx(report.metrics["ndcg_at_5"], rel=1e-5)


@pytest.mark.parametrize("of_items", [True, False])
def test_weights_weight_lists_or_items(rows, of_items):
    loss = SoftmaxLoss()
    model = make_model(rows, loss, sample_weight="weight", weighted_metrics=["mean_squared_error"])
    [batch] = rk.data.lists(rows, 30)
    if not of_items:
        batch["weight"] = batch["weight"][:, 0]
    found = model.evaluate(tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True)
    scores = model.predict(rk.data.batches(rows, 900), verbose=0)[:, 0]
    [again] = rk.data.lists({**rows, "score": scores}, 30)
    mask = batch["mask"].numpy()
    labels = np.where(mask, batch["user_rating"], np.nan)
    wanted = loss(labels, again["score"], sample_weight=batch["weight"])
    assert found["loss"] == pytest.approx(np.mean(wanted), rel=1e-5)
    weights = batch["weight"].numpy() if of_items else batch["weight"].numpy()[:, None]
    weights = np.broadcast_to(weights, mask.shape)[mask]
    squares = ((again["score"] - batch["user_rating"]).numpy() ** 2)[mask]
    assert found["mean_squared_error"] == pytest.approx(np.average(squares, weights=weights), 1e-5)


def test_features_and_labels_may_come_apart(rows):
    model, other = (make_model(rows, SoftmaxLoss()) for _ in range(2))
    lists = rk.data.lists(rows, 8, seed=1)
    apart = lists.map(lambda batch: (batch, batch["user_rating"]))
    for each, batches in ((model, lists), (other, apart)):
        each.fit(batches, epochs=2, verbose=0)
    # The last bias shifts all scores: its gradient is 0, but for rounding.
    for one, two in zip(model.get_weights()[:-1], other.get_weights()[:-1], strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


def test_lists_of_tags_are_features_too(rows):
    rows = {**rows, "tags": [["even"] * (number % 2) for number in range(900)]}
    features = {
        "tags": rk.layers.TagsEmbedding(["even", "odd"], 4),
        "item_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["item_id"]), 4),
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="user_rating")
    model.compile("adagrad", loss=SoftmaxLoss())
    found = model.evaluate(rk.data.lists(rows, 8), verbose=0, return_dict=True)
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id")
    assert found["ndcg_at_10"] == pytest.approx(report.metrics["ndcg_at_10"], rel=1e-5)


def test_lists_that_teach_nothing_are_told_once(rows):
    rows = {name: np.concatenate([column, column[:1]]) for name, column in rows.items()}
    rows["user_id"][-1] = "alone"
    model = make_model(rows, SoftmaxLoss())
    lists = rk.data.lists(rows, 8)
    with pytest.warns(UserWarning, match="teach a loss nothing. Such were 1 of 31."):
        model.fit(lists, epochs=1, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(lists, epochs=2, verbose=0)


def test_rows_for_a_loss_over_lists_are_refused(rows):
    model = make_model(rows, SoftmaxLoss())
    with pytest.raises(TypeError, match=r"of lists.*Got: batch='rows'.*rankkit\.data\.lists"):
        model.fit(rk.data.batches(rows, 64), verbose=0)


def test_lists_for_a_loss_over_rows_are_refused(rows):
    model = make_model(rows)
    with pytest.raises(TypeError, match=r"single rows.*Got: batch='lists'.*rankkit\.data\.batches"):
        model.fit(rk.data.lists(rows, 8), verbose=0)


def test_a_metric_of_lists_beside_a_loss_over_rows_is_refused(rows):
    with pytest.raises(ValueError, match="ndcg_at_10"):
        make_model(rows, metrics=[rk.metrics.NDCG()])


def test_labels_outside_the_range_of_a_loss_are_named(rows):
    rows = {**rows, "user_rating": rows["user_rating"] - 3}
    model = make_model(rows, LambdaRankLoss(), metrics=["mean_squared_error"])
    with pytest.raises(ValueError, match="Labels must be from 0 to 30.*Shift or scale them"):
        model.fit(rk.data.lists(rows, 8), verbose=0)


def test_a_run_that_is_resumed_ends_the_same(rows, tmp_path):
    def fit(model, epochs, initial_epoch=0):
        lists = rk.data.lists(rows, 8, shuffle=True, seed=1, initial_epoch=initial_epoch)
        backup = tf.keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        model.fit(lists, epochs=epochs, callbacks=[backup], verbose=0)

    straight = make_model(rows, SoftmaxLoss())
    lists = rk.data.lists(rows, 8, shuffle=True, seed=1)
    straight.fit(lists, epochs=4, verbose=0)
    fit(make_model(rows, SoftmaxLoss()), 2)
    resumed = make_model(rows, SoftmaxLoss())
    done = rk.completed_epochs(tmp_path / "backup")
    assert done == 2
    fit(resumed, 4, initial_epoch=done)
    for one, two in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_xla_trains_on_lists_as_well():
    columns, _ = rk.data.synthetic_ratings(300, num_users=12, num_items=9, seed=5)
    numbers = np.unique(columns["user_id"], return_inverse=True)[1]  # XLA takes no text
    stars = np.clip(columns["user_rating"], 0, 5)
    rows = {"user": numbers, "age": numbers / 12, "user_rating": stars}
    history = []
    for jit_compile in (False, True):
        tf.keras.utils.set_random_seed(1)
        age = rk.layers.NormalizedNumber(0.5, 0.25)
        network = rk.ranking_network({"age": age}, head=rk.layers.DenseRatingHead([8]))
        model = rk.RankingModel(network, label="user_rating")
        model.compile("adam", loss=LambdaRankLoss(), jit_compile=jit_compile)
        lists = rk.data.lists(rows, 5, query="user", list_size=8)
        history.append(model.fit(lists, epochs=2, verbose=0).history)
    for name, values in history[0].items():
        assert history[1][name] == pytest.approx(values, rel=1e-4)


def test_weights_may_be_of_lists_or_of_items_whatever_was_traced_before(rows):
    model = make_model(rows, SoftmaxLoss(), sample_weight="weight")
    lists = rk.data.lists(rows, 8)

    def of_lists(batch):
        mask = batch["mask"]
        return {**batch, "weight": tf.cast(tf.range(1, tf.shape(mask)[0] + 1), tf.float32)}

    def of_items(batch):
        weights = of_lists(batch)["weight"][:, tf.newaxis]
        return {**batch, "weight": weights * tf.ones_like(batch["user_rating"])}

    def of_a_column(batch):
        return {**batch, "weight": of_lists(batch)["weight"][:, tf.newaxis]}

    found = [
        model.evaluate(lists.map(weigh), verbose=0, return_dict=True)
        for weigh in (of_lists, of_items, of_a_column, of_lists)
    ]
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-5)
    wrong = lists.map(lambda batch: {**batch, "weight": tf.ones(3)})
    with pytest.raises(ValueError, match=r"^sample weights must be one a list or one an item\."):
        model.evaluate(wrong, verbose=0)


def test_lists_are_not_predicted(rows):
    model = make_model(rows, SoftmaxLoss())
    with pytest.raises(TypeError, match=r"batch must be of single rows.*rankkit\.data\.batches"):
        model.predict(rk.data.lists(rows, 8), verbose=0)


def test_weights_of_classes_are_refused(rows):
    model = make_model(rows, SoftmaxLoss())
    with pytest.raises(ValueError, match="class_weight must be left out.*Make a column of weights"):
        model.fit(rk.data.lists(rows, 8), class_weight={0: 1.0}, verbose=0)


def test_notices_are_of_the_rows_they_are_about(rows):
    model = make_model(rows, SoftmaxLoss())
    lists = rk.data.lists(rows, 8)
    idle = {name: column[:1] for name, column in rows.items()}
    with pytest.warns(UserWarning, match="Such were 1 of 1") as told:
        model.fit(lists, validation_data=rk.data.lists(idle, 1), epochs=1, verbose=0)
    assert len(told) == 1
