import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.evaluation import RankingMetrics

ROWS = {
    "user_id": np.array(["a", "a", "a", "b", "b", "c"]),
    "item_id": np.array(["x", "y", "z", "x", "y", "z"]),
    "rating": np.array([5.0, 3.0, 1.0, 2.0, 4.0, 4.0]),
}
NAMES = ["val_ndcg_at_10", "val_mrr", "val_map_at_10", "val_hit_rate_at_10", "val_auc"]


def make_features():
    return {name: rk.layers.IdEmbedding.from_column(ROWS[name], 4) for name in list(ROWS)[:2]}


def make_model(learning_rate=0.1):
    network = rk.ranking_network(make_features(), head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adam(learning_rate))
    return model


def fit(model, *callbacks, epochs=3):
    batches = rk.data.batches(ROWS, 3, shuffle=True, seed=1)
    return model.fit(batches, epochs=epochs, callbacks=list(callbacks), verbose=0).history


def logs_of(metrics, model, **logs):
    """The logs of an epoch of this model, with what the callback adds."""
    metrics.set_model(model)
    metrics.on_epoch_end(0, logs)
    return logs


def scale_scores(model, factor):
    head = model.network.layers[-1]
    *hidden, kernel, bias = head.get_weights()
    head.set_weights([*hidden, kernel * factor, bias * factor])


def test_each_epoch_logs_the_metrics_of_evaluate_ranking():
    model, reports = make_model(), []

    class Evaluate(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            reports.append(rk.evaluate_ranking(model, ROWS, train=ROWS, num_bootstrap=1).metrics)

    history = fit(model, RankingMetrics(ROWS), Evaluate())
    assert list(history)[-5:] == NAMES
    for name in NAMES:
        expected = [metrics[name.removeprefix("val_")] for metrics in reports]
        assert history[name] == pytest.approx(expected, abs=1e-9)
    assert len(set(history["val_ndcg_at_10"])) > 1


@pytest.fixture(scope="module")
def two_heads():
    heads = {name: rk.layers.DenseRatingHead([4]) for name in ("rate", "click")}
    network = rk.ranking_network(make_features(), head=heads, score={"rate": 1.0, "click": -1.0})
    model = rk.RankingModel(network, label={"rate": "rating", "click": "click"})
    model.compile("adam")
    return model


CLICKS = {**ROWS, "click": (ROWS["rating"] > 3) * 1.0}


def test_metrics_are_those_of_the_score_or_of_one_head(two_heads):
    scorers = {None: two_heads, "click": two_heads.head("click")}
    for head, scorer in scorers.items():
        report = rk.evaluate_ranking(scorer, CLICKS, train=CLICKS, label="click", num_bootstrap=1)
        metrics = RankingMetrics(CLICKS, head=head, label="click", relevant=1)
        logs = logs_of(metrics, two_heads)
        assert logs["val_auc"] == pytest.approx(report.metrics["auc"])
        if head:
            assert logs == logs_of(RankingMetrics(CLICKS, head=head, relevant=1), two_heads)
    message = r"label must be the name of one column.*model\.head\('rate'\)"
    with pytest.raises(TypeError, match=message):
        logs_of(RankingMetrics(CLICKS), two_heads)
    with pytest.raises(ValueError, match="Unknown head 'clicks'"):
        logs_of(RankingMetrics(CLICKS, head="clicks"), two_heads)


def test_rows_without_a_label_of_the_head_are_ignored(two_heads):
    has_label = np.arange(6) != 3
    labeled = {name: column[has_label] for name, column in CLICKS.items()}
    partly = {**CLICKS, "click": np.where(has_label, CLICKS["click"], np.nan)}
    scorer = two_heads.head("click")
    report = rk.evaluate_ranking(scorer, labeled, train=labeled, label="click")
    logs = logs_of(RankingMetrics(partly, head="click", relevant=1), two_heads)
    assert logs["val_auc"] == pytest.approx(report.metrics["auc"])
    assert rk.evaluate_ranking(scorer, partly, train=partly).lines == report.lines
    unlabeled = {**CLICKS, "click": np.full(6, np.nan)}
    with pytest.raises(ValueError, match="No row has a label .* of column 'click' are NaN"):
        logs_of(RankingMetrics(unlabeled, head="click"), two_heads)


def test_cutoff_is_an_argument_and_a_metric_without_queries_is_omitted():
    model = make_model()
    cut = logs_of(RankingMetrics(ROWS, k=1), model)
    names = ["val_ndcg_at_1", "val_mrr", "val_map_at_1", "val_hit_rate_at_1", "val_auc"]
    assert list(cut) == names
    message = "leaves out MRR, MAP and hit rate: no value of rating reaches relevant=6; the highest"
    with pytest.warns(UserWarning, match=message):
        logs = logs_of(RankingMetrics(ROWS, relevant=6), model)
    assert list(logs) == ["val_ndcg_at_10", "val_auc"]
    negative = {**ROWS, "rating": ROWS["rating"] - 6}
    assert list(logs_of(RankingMetrics(negative, relevant=-2), model)) == NAMES[1:]


def test_cutoffs_and_conventions_are_those_of_evaluate_ranking():
    model = make_model()
    rows = {**ROWS, "rating": np.array([5.0, 3.0, 1.0, 0.0, 0.0, 4.0])}
    for no_relevant in ("skip", "one", "zero"):
        settings = {"k": (1, 2), "gain": "linear", "no_relevant": no_relevant}
        logs = logs_of(RankingMetrics(rows, **settings), model)
        report = rk.evaluate_ranking(model, rows, num_bootstrap=1, **settings)
        expected = {f"val_{name}": value for name, value in report.metrics.items()}
        assert logs == pytest.approx({name: expected[name] for name in logs}, abs=1e-9)
        assert len(logs) == 8
    with pytest.warns(UserWarning, match="has constant MRR, MAP and hit rate: no value of rating"):
        logs = logs_of(RankingMetrics(rows, relevant=6, no_relevant="zero"), model)
    assert logs["val_mrr"] == logs["val_map_at_10"] == 0.0


def test_early_stopping_on_a_metric_restores_the_best_weights():
    model = make_model(0.0)
    scores = np.asarray(model({name: ROWS[name] for name in list(ROWS)[:2]})).reshape(-1)
    rows = {**ROWS, "rating": -scores.astype(float)}  # the scores of epoch 1 alone

    class NegateScores(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            scale_scores(self.model, -1 if epoch in (1, 2) else 1)

    settings = {"mode": "max", "patience": 2, "restore_best_weights": True}
    stop = tf.keras.callbacks.EarlyStopping("val_auc", **settings)
    history = fit(model, NegateScores(), RankingMetrics(rows, relevant=0), stop, epochs=5)
    assert history["val_auc"] == [0.0, 1.0, 0.0, 0.0]  # stopped two epochs after the best
    restored = np.asarray(model({name: ROWS[name] for name in list(ROWS)[:2]})).reshape(-1)
    np.testing.assert_array_equal(restored, -scores)


def test_metrics_of_a_diverged_model_are_nan():
    model = make_model()
    scale_scores(model, np.nan)
    logs = logs_of(RankingMetrics(ROWS), model)
    assert logs == pytest.approx(dict.fromkeys(NAMES, np.nan), nan_ok=True)


def test_metrics_are_the_same_with_two_replicas(mirrored_strategy):
    with mirrored_strategy.scope():
        model = make_model()
    history = fit(model, RankingMetrics(ROWS), epochs=1)
    metrics = rk.evaluate_ranking(model, ROWS, train=ROWS, num_bootstrap=1).metrics
    assert history["val_ndcg_at_10"] == pytest.approx([metrics["ndcg_at_10"]])


def test_columns_of_the_model_are_checked_when_training_starts():
    for missing in ("rating", "item_id"):
        rows = {name: column for name, column in ROWS.items() if name != missing}
        with pytest.raises(ValueError, match=f"^(Unknown column|Missing feature) '{missing}'"):
            RankingMetrics(rows).set_model(make_model())


def test_metric_of_the_model_is_not_overwritten():
    with pytest.raises(ValueError, match="already reports a metric 'val_auc'.*prefix='val_'"):
        logs_of(RankingMetrics(ROWS), make_model(), val_auc=0.5)
    logs = logs_of(RankingMetrics(ROWS, prefix="val_user_"), make_model(), val_auc=0.5)
    assert logs["val_auc"] == 0.5
    assert {"val_user_auc", "val_user_mrr"} <= set(logs)
