import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.evaluation import RankingMetrics

ROWS = {
    "user_id": np.array(["a", "a", "a", "b", "b", "c"]),
    "item_id": np.array(["x", "y", "z", "x", "y", "z"]),
    "rating": np.array([5.0, 3.0, 1.0, 2.0, 4.0, 4.0]),
    "genres": np.array(["drama", "war", "war", "drama", "war", "war"]),
}
NAMES = ["val_ndcg_at_10", "val_mrr", "val_hit_rate_at_10", "val_auc"]


def compiled(learning_rate=0.1):
    features = {
        name: rk.layers.IdEmbedding(np.unique(ROWS[name]).tolist(), 4)
        for name in ("user_id", "item_id")
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adam(learning_rate))
    return model


def fit(model, *callbacks, epochs=3):
    batches = rk.data.batches(ROWS, 3, shuffle=True, seed=1)
    return model.fit(batches, epochs=epochs, callbacks=list(callbacks), verbose=0)


def test_each_epoch_has_what_evaluate_ranking_finds():
    model, found = compiled(), []

    class Evaluate(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append(rk.evaluate_ranking(model, ROWS, train=ROWS, num_bootstrap=1).metrics)

    history = fit(model, RankingMetrics(ROWS), Evaluate()).history
    assert list(history)[-4:] == NAMES
    for name in NAMES:
        expected = [metrics[name.removeprefix("val_")] for metrics in found]
        assert history[name] == pytest.approx(expected, abs=1e-9)
    assert len(set(history["val_ndcg_at_10"])) > 1  # it is the epoch's, not the first one's


def test_of_several_heads_it_is_the_scores_or_that_of_one_of_them():
    rows = {**ROWS, "click": (ROWS["rating"] > 3) * 1.0}
    features = {"user_id": rk.layers.IdEmbedding.from_column(rows["user_id"], 4)}
    features["item_id"] = rk.layers.IdEmbedding.from_column(rows["item_id"], 4)
    heads = {name: rk.layers.DenseRatingHead([4]) for name in ("rate", "click")}
    network = rk.ranking_network(features, head=heads, score={"rate": 1.0, "click": -1.0})
    model = rk.RankingModel(network, label={"rate": "rating", "click": "click"})
    model.compile("adam")

    def logged(**kwargs):
        metrics = RankingMetrics(rows, **kwargs)
        metrics.set_model(model)
        logs = {}
        metrics.on_epoch_end(0, logs)
        return logs["val_auc"]

    for scorer, kwargs in ((model, {}), (model.head("click"), {"head": "click"})):
        report = rk.evaluate_ranking(scorer, rows, train=rows, label="click", num_bootstrap=1)
        assert logged(label="click", **kwargs) == pytest.approx(report.metrics["auc"])
    assert logged(head="click") == logged(head="click", label="click")
    with pytest.raises(
        TypeError, match=r"label must be the name of one column.*model\.head\('rate'\)"
    ):
        logged()
    # Rows without a label do not count for a head.
    there = np.arange(len(rows["click"])) != 3
    few = {name: column[there] for name, column in rows.items()}
    rows["click"] = np.where(there, rows["click"], np.nan)
    report = rk.evaluate_ranking(model.head("click"), few, train=few, label="click")
    assert logged(head="click") == pytest.approx(report.metrics["auc"])
    again = rk.evaluate_ranking(model.head("click"), rows, train=rows)
    assert again.lines == report.lines
    rows["click"] = np.full(len(there), np.nan)
    with pytest.raises(ValueError, match="label 'click' must be there in some of the rows"):
        logged(head="click")
    with pytest.raises(ValueError, match="Unknown head 'clicks'"):
        logged(head="clicks")


def test_places_and_relevance_can_be_chosen():
    history = fit(compiled(), RankingMetrics(ROWS, k=1, relevant=5), epochs=1).history
    assert list(history)[-4:] == ["val_ndcg_at_1", "val_mrr", "val_hit_rate_at_1", "val_auc"]
    # User a alone has a relevant row, the first by its rating: only its place counts.
    assert history["val_hit_rate_at_1"][0] in (0.0, 1.0)


def test_a_metric_that_no_query_has_is_left_out():
    history = fit(compiled(), RankingMetrics(ROWS, relevant=6), epochs=1).history
    assert [name for name in history if name.startswith("val_")] == ["val_ndcg_at_10", "val_auc"]
    below = {**ROWS, "rating": ROWS["rating"] - 6}
    history = fit(compiled(), RankingMetrics(below, relevant=-2), epochs=1).history
    assert "val_ndcg_at_10" not in history
    assert set(NAMES[1:]) <= set(history)


class Planned(tf.keras.callbacks.Callback):
    """Gives the network, at the start of each epoch, weights that order so well."""

    def __init__(self, qualities):
        super().__init__()
        self.qualities = qualities
        self.kept = []

    def on_train_batch_end(self, batch, logs=None):
        quality = self.qualities[self.epoch]
        head = self.model.network.layers[-1]
        head.set_weights([quality * weight for weight in self.best])

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def test_early_stopping_watches_it_and_restores_the_best_weights():
    model = compiled()
    fit(model, epochs=60)  # until it orders its own rows
    head = model.network.layers[-1]
    planned = Planned([-1, 1, -1, -1, -1])  # a head of the other sign orders the other way round
    planned.best = head.get_weights()
    model.optimizer.learning_rate.assign(0.0)
    stop = tf.keras.callbacks.EarlyStopping(
        "val_auc", mode="max", patience=2, restore_best_weights=True
    )
    history = fit(model, planned, RankingMetrics(ROWS), stop, epochs=5).history
    assert history["val_auc"][1] == max(history["val_auc"])
    assert len(history["val_auc"]) == 4  # two epochs after the best
    assert stop.best_epoch == 1
    for weight, best in zip(head.get_weights(), planned.best, strict=True):
        np.testing.assert_array_equal(weight, best)


def test_loggers_after_it_write_it(tmp_path):
    log = tmp_path / "log.csv"
    fit(compiled(), RankingMetrics(ROWS), tf.keras.callbacks.CSVLogger(log), epochs=2)
    head, *lines = log.read_text().splitlines()
    assert set(NAMES) <= set(head.split(","))
    assert len(lines) == 2


def test_a_diverged_model_has_no_metric_and_training_ends_as_it_would():
    model = compiled()
    head = model.network.layers[-1]

    class Diverge(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                head.set_weights([weight * np.nan for weight in head.get_weights()])

    history = fit(model, Diverge(), RankingMetrics(ROWS), epochs=2).history
    for name in NAMES:
        assert np.isfinite(history[name]).tolist() == [True, False]


def test_it_is_the_same_on_two_replicas(mirrored_strategy):
    with mirrored_strategy.scope():
        model = compiled()
    history = fit(model, RankingMetrics(ROWS), epochs=1).history
    metrics = rk.evaluate_ranking(model, ROWS, train=ROWS, num_bootstrap=1).metrics
    assert history["val_ndcg_at_10"] == pytest.approx([metrics["ndcg_at_10"]])


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"rows": {name: [] for name in ROWS}}, ValueError, "at least one row"),
        ({"query": "user"}, ValueError, "Unknown column 'user'.*Did you mean 'user_id'"),
        ({"label": "ratin"}, ValueError, "Unknown column 'ratin'.*Did you mean 'rating'"),
        ({"label": "item_id"}, TypeError, "label 'item_id' must be a number"),
        ({"k": 0}, ValueError, "k must be a whole number of at least 1"),
        ({"label": "rating", "rows": {**ROWS, "user_id": [*"abcdef"]}}, ValueError,
         "rows must be rows of which some of one user_id differ in rating. Got: rows='6 rows, none "
         "that do'. No order of the rows is better"),
        ({"label": "rating", "rows": {**ROWS, "rating": np.ones(6)}}, ValueError,
         "some of one user_id differ in rating"),
        ({"label": "rating", "rows": {**ROWS, "rating": np.full(6, np.nan)}}, ValueError,
         "label 'rating' must be finite"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused_ahead_of_training(kwargs, error, words):
    rows = kwargs.pop("rows", ROWS)
    with pytest.raises(error, match=words):
        RankingMetrics(rows, **kwargs)


def test_without_a_label_the_models_is_checked_when_training_starts():
    metrics = RankingMetrics({name: ROWS[name] for name in ("user_id", "item_id")})
    with pytest.raises(ValueError, match="Unknown column 'rating'"):
        fit(compiled(), metrics)
    with pytest.raises(ValueError, match="Unknown column 'item_id'"):
        fit(compiled(), RankingMetrics({name: ROWS[name] for name in ("user_id", "rating")}))


def test_a_metric_of_the_model_is_not_overwritten():
    model = compiled()
    model.compile("adam", metrics=[tf.keras.metrics.MeanAbsoluteError(name="auc")])
    batches = rk.data.batches(ROWS, 2)
    settings = {"validation_data": batches, "verbose": 0}
    with pytest.raises(ValueError, match="name of a metric must be none that the model reports"):
        model.fit(batches, callbacks=[RankingMetrics(ROWS)], **settings)
    again = RankingMetrics(ROWS, prefix="val_user_")
    history = model.fit(batches, callbacks=[again], **settings).history
    assert {"val_auc", "val_user_auc", "val_user_mrr"} <= set(history)
