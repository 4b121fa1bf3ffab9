"""What scores are, by the loss of the model or by their values."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

ROWS = {
    "user_id": np.array([*"aabbcc"]),
    "item_id": np.array([*"xyxyxy"]),
    "rating": np.array([5.0, 1.0, 4.0, 2.0, 3.0, 1.0]),
}
ROWS["click"] = (ROWS["rating"] > 2) * 1.0
ERRORS = ["rmse", "mae"]
OF_CLICKS = ["log_loss", "normalized_entropy", "calibration", "global_auc"]
LIST_LOSSES = {
    name: cls
    for name in rk.losses.__all__
    if isinstance(cls := getattr(rk.losses, name), type) and issubclass(cls, rk.losses.ListLoss)
}
CROSS_ENTROPY = tf.keras.losses.BinaryCrossentropy


def compiled(loss, label="click", rating_range=None, levels=None):
    features = {
        name: rk.layers.IdEmbedding.from_column(ROWS[name], 4) for name in ("user_id", "item_id")
    }
    head = rk.layers.DenseRatingHead([4], rating_range=rating_range)
    if levels:
        head = rk.layers.OrdinalHead(levels)
    model = rk.RankingModel(rk.ranking_network(features, head=head), label=label)
    model.compile("adam", loss=loss)
    return model


def metrics_over_rows(scorer, label="click", **kwargs):
    report = rk.evaluate_ranking(scorer, ROWS, train=ROWS, label=label, relevant=1, **kwargs)
    names = list(report.metrics)
    return names[: names.index("ndcg_at_10")]


NAMES = sorted(LIST_LOSSES.keys() - {"ListLoss", "PairwiseLoss"})


@pytest.mark.parametrize(
    ("name", "label"), [*((name, "click") for name in NAMES), (NAMES[0], "rating")]
)
def test_scores_of_list_losses_are_an_order(name, label):
    model = compiled(LIST_LOSSES[name](), label)
    assert metrics_over_rows(model, label) == (["global_auc"] if label == "click" else [])
    diagnosis = rk.evaluation.diagnose(model, ROWS, train=ROWS)
    assert diagnosis.errors == []
    assert not any("RMSE" in each or "outside" in each for each in diagnosis.warnings)
    assert "the loss ranks lists" in diagnosis.unchecked[-1]
    compared = rk.evaluation.compare_rankings({"a": model, "b": model}, ROWS)
    assert "rmse" not in compared.metrics


@pytest.mark.parametrize(
    ("loss", "rating_range"),
    [
        (CROSS_ENTROPY(from_logits=True), None),
        (tf.keras.losses.BinaryFocalCrossentropy(from_logits=True), None),
        (CROSS_ENTROPY(), (0, 1)),
        ("binary_crossentropy", (0, 1)),
        (None, (0, 1)),  # the mean squared error of labels 0 and 1 estimates a probability, too
    ],
)
def test_scores_of_cross_entropies_are_logits_or_probabilities(loss, rating_range):
    model = compiled(loss, rating_range=rating_range)
    report = rk.evaluate_ranking(model, ROWS, train=ROWS, relevant=1)
    assert list(report.metrics)[:4] == OF_CLICKS
    scores = np.asarray(model({name: tf.constant(ROWS[name]) for name in ("user_id", "item_id")}))
    # One value a row, in float64, of the logits or the probabilities.
    of_logits = rating_range is None
    expected = tf.keras.losses.binary_crossentropy(
        ROWS["click"], scores[:, 0].astype(float), from_logits=of_logits
    )
    assert report.metrics["log_loss"] == pytest.approx(float(expected), rel=1e-5)
    diagnosis = rk.evaluation.diagnose(model, ROWS, train=ROWS)
    probabilities = 1 / (1 + np.exp(-scores[:, 0])) if of_logits else scores[:, 0]
    expected = np.sqrt(np.mean((probabilities - ROWS["click"]) ** 2))
    assert diagnosis.errors[0]["rmse"] == pytest.approx(expected, rel=1e-5)
    assert 0 <= diagnosis.calibration[0]["mean_prediction"] <= 1
    assert not any("outside" in each for each in diagnosis.warnings)


@pytest.mark.parametrize("loss", [None, "mse", "mae", "huber", "log_cosh"])
def test_scores_of_errors_are_predictions_even_of_a_model_that_diverged(loss):
    model = compiled(loss, "rating")
    head = model.network.layers[-1]
    head.set_weights([1e3 * weight + 1e3 for weight in head.get_weights()])
    assert metrics_over_rows(model, "rating") == ERRORS
    warnings = rk.evaluation.diagnose(model, ROWS, train=ROWS).warnings
    assert any("far outside the range of rating" in each for each in warnings)


def test_scores_of_the_ordinal_loss_are_predictions():
    levels = (1, 2, 3, 4, 5)
    model = compiled(rk.losses.OrdinalLoss(levels), "rating", levels=levels)
    assert model.score_kind == "estimate"
    assert metrics_over_rows(model, "rating") == ERRORS


def test_scores_are_what_the_loss_makes_of_them_only_for_its_own_label():
    click = compiled(CROSS_ENTROPY(from_logits=True))
    assert metrics_over_rows(click, "rating") == []
    rating = compiled(None, "rating")
    head = rating.network.layers[-1]
    head.set_weights([0 * weight + 4 for weight in head.get_weights()])
    assert metrics_over_rows(rating, "click") == ["global_auc"]


def test_scores_of_a_model_of_several_heads_are_an_order_and_each_head_has_its_kind():
    heads = {name: rk.layers.DenseRatingHead([4]) for name in ("stars", "tap", "likes")}
    features = {"user_id": rk.layers.IdEmbedding(["a", "b"], 4)}
    network = rk.ranking_network(features, head=heads, score=dict.fromkeys(heads, 1.0))
    labels = {"stars": "rating", "tap": "click", "likes": "rating"}
    model = rk.RankingModel(network, label=labels)
    assert model.score_kind is model.head("tap").score_kind is None
    ranking = rk.losses.SoftmaxLoss()
    model.compile("adam", loss={"tap": CROSS_ENTROPY(from_logits=True), "likes": ranking})
    assert model.score_kind == "order"
    assert metrics_over_rows(model) == ["global_auc"]
    kinds = {name: model.head(name).score_kind for name in heads}
    assert kinds == {"stars": "estimate", "tap": "logit", "likes": "order"}
    assert metrics_over_rows(model.head("stars"), "rating") == ERRORS
    assert metrics_over_rows(model.head("tap")) == OF_CLICKS
    assert metrics_over_rows(model.head("likes"), "rating") == []


def own_loss(y_true, y_pred):
    return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    ("scores", "label", "kwargs", "expected"),
    [
        ([5, 1, 4, 2, 3, 1], "rating", {}, ERRORS),
        ([5.4, 1, 4, 2, 3, 0.6], "rating", {}, ERRORS),  # within a tenth of the range
        ([9, 1, 4, 2, 3, 1], "rating", {}, ERRORS),  # a single one is outside
        ([9, 8, 4, 2, 3, 1], "rating", {}, []),
        ([9, 8, 4, 2, 3, 1], "rating", {"rating_range": (1, 5)}, ERRORS),
        ([0, 1, 0.5, 0.5, 0.1, 0.9], "click", {}, OF_CLICKS),
        ([0, 1.05, 0.5, 0.5, 0.1, 0.9], "click", {}, [*ERRORS, "calibration", "global_auc"]),
        ([0, 1.05, 0.5, 0.5, 0.1, 0.9], "click", {"rating_range": (0, 1)}, OF_CLICKS),
        ([-2, 3, 1, 1, -1, 2], "click", {}, ["global_auc"]),
        ([-2, 3, 1, 1, -1, 2], "click", {"rating_range": (0, 1)}, ["global_auc"]),
    ],
)
def test_other_scores_are_judged_by_their_values(scores, label, kwargs, expected):
    assert metrics_over_rows(np.array(scores, float), label, **kwargs) == expected
    function = lambda columns: tf.constant(scores, tf.float32)  # noqa: E731
    assert metrics_over_rows(function, label, **kwargs) == expected


def test_an_own_loss_and_an_export_are_judged_by_their_values(tmp_path):
    model = compiled(own_loss, "rating", rating_range=(1, 5))
    assert model.score_kind is None
    assert metrics_over_rows(model, "rating") == ERRORS
    rk.export.save(model, tmp_path / "1")
    assert metrics_over_rows(rk.export.load(tmp_path / "1"), "rating") == ERRORS


@pytest.mark.parametrize(
    ("scores", "label", "note"),
    [
        ([0.1, 0.2, 0.9, 0.4, 0.5, 1.0], "click",
         "count as probabilities of 'click', by their values: all are from 0 to 1, and the labels "
         "0 and 1. If they are logits, pass probabilities, such as tf.sigmoid(scores)."),
        ([0, 1.05, 0.5, 0.5, 0.1, 0.9], "click",
         "count as predictions of 'click', by their values: 100% are in or near the range 0 to 1 "
         "of the labels."),
        ([5.2, 9, 4, 2, 3, 1], "rating",
         "count as predictions of 'rating', by their values: 83% are in or near the range 1 to 5 "
         "of the labels."),
    ],
)  # fmt: skip
def test_reports_say_how_scores_were_judged_by_their_values(scores, label, note):
    note, scores = f"The scores of 'model' {note}", np.array(scores, float)
    settings = {"train": ROWS, "label": label}
    for scorer in (scores, lambda columns: tf.constant(scores, tf.float32)):
        report = rk.evaluate_ranking(scorer, ROWS, relevant=1, **settings)
        assert note in report.notes
        assert note in str(report).splitlines()
        assert rk.evaluation.diagnose(scorer, ROWS, **settings).unchecked[-1] == note
    compared = rk.evaluation.compare_rankings({"model": scores, "b": scores}, ROWS, label=label)
    assert note.replace("'model'", "'model' and 'b'") in compared.notes
    model = compiled(None, label)
    assert not any("values" in each for each in rk.evaluate_ranking(model, ROWS, **settings).notes)
