"""Models of clicks: position bias, sampled negatives, and logits or probabilities."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

import rankkit as rk
from rankkit.training.compile_args import _snake_case, as_metrics, check_loss, per_example

LOGITS = tf.keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.fixture(scope="module")
def clicks():
    """Users prefer the last items, and click more at the first positions."""
    rng = np.random.default_rng(7)
    count = 5000
    items, positions = rng.integers(0, 10, count), rng.integers(1, 6, count)
    # The worst items are shown first, so that they have the highest click rates.
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
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding.from_column(clicks[name], 4) for name in names}
    network = rk.models.tower(features, hidden_units=[8])
    model = rk.RankingModel(network, label="click", training_bias=training_bias)
    metrics = [tf.keras.metrics.AUC(from_logits=True, name="auc")]
    model.compile(tf.keras.optimizers.Adam(0.02), loss=LOGITS, metrics=metrics)
    return model


def make_position_bias():
    layer = rk.layers.IdEmbedding([1, 2, 3, 4, 5], 1, embeddings_initializer="zeros")
    return rk.ranking_network({"position": layer}, interaction=rk.interactions.concatenate)


def weights_by_position(bias):
    [layer] = [each for each in bias.layers if hasattr(each, "embedding_dim")]
    return layer.get_weights()[0][1:, 0]


def rank_correlation(model, clicks):
    """The correlation of the rank of items with their true appeal: -1 is the right order."""
    ranked = rk.rank(model, {"user_id": "u3"}, {"item_id": rk.data.vocabulary(clicks["item_id"])})
    return np.corrcoef([int(item[1:]) for item, _ in ranked], range(10))[0, 1]


# --- Position bias ---


@pytest.fixture(scope="module")
def biased_model(clicks):
    model = make_model(clicks, make_position_bias())
    batches = rk.data.batches(clicks, 128, shuffle=True, seed=1)
    model.fit(batches, epochs=8, verbose=0)
    return model


def test_training_bias_removes_the_position_bias_from_the_ranking(clicks, biased_model):
    plain = make_model(clicks)
    plain.fit(rk.data.batches(clicks, 128, shuffle=True, seed=1), epochs=8, verbose=0)
    assert rank_correlation(plain, clicks) > -0.5
    assert rank_correlation(biased_model, clicks) < -0.9
    assert (np.diff(weights_by_position(biased_model.training_bias)) < 0).all()


def test_training_bias_is_needed_in_training_only(clicks, biased_model):
    without = {name: column for name, column in clicks.items() if name != "position"}
    assert set(biased_model.feature_specs) == {"user_id", "item_id"}
    with_position, without_position = (
        biased_model.evaluate(rk.data.batches(rows, 256), verbose=0) for rows in (clicks, without)
    )
    assert with_position == without_position
    with pytest.raises(ValueError, match="Missing feature 'position'"):
        biased_model.fit(rk.data.batches(without, 256), verbose=0)


def test_training_bias_is_saved_with_the_model(clicks, biased_model, reload):
    loaded = reload(biased_model)
    bias, loaded_bias = (weights_by_position(each.training_bias) for each in (biased_model, loaded))
    np.testing.assert_array_equal(loaded_bias, bias)
    batch = next(iter(rk.data.batches(clicks, 256)))
    losses = [float(each.compute_loss(batch, training=True)) for each in (biased_model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] < float(biased_model.compute_loss(batch, training=False)) - 0.01


def test_training_bias_changes_the_score_of_its_head_only(reload):
    rows = {"user_id": ["u1", "u2"] * 8, "position": [1, 2] * 8}
    rows |= {"click": [1.0, 0.0] * 8, "rating": [1.0, 0.0] * 8}
    features = {"user_id": rk.layers.IdEmbedding(["u1", "u2"], 4, name="user")}
    heads = {name: rk.layers.DenseRatingHead([2]) for name in ("rating", "click")}
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0, "click": 1.0})
    bias = make_position_bias()
    labels = {"rating": "rating", "click": "click"}
    model = rk.RankingModel(network, label=labels, training_bias={"click": bias})
    batches = rk.data.batches(rows, 16)
    # Only the click trains the bias, and its loss has the weight 0 at first.
    for weight, is_trained in ((0.0, False), (1.0, True)):
        settings = {"loss": {"click": LOGITS}, "loss_weights": {"click": weight}}
        model.compile(tf.keras.optimizers.Adam(0.1), **settings, run_eagerly=True)
        model.fit(batches, verbose=0)
        assert np.any(weights_by_position(bias)) == is_trained
    loaded = reload(model).training_bias
    assert set(loaded) == {"click"}
    np.testing.assert_array_equal(weights_by_position(loaded["click"]), weights_by_position(bias))


def test_training_bias_is_added_in_full_precision(mixed_precision):
    rows = {"user_id": ["u1", "u2"], "click": [1.0, 0.0], "position": [1, 2]}
    features = {"user_id": rk.layers.IdEmbedding(["u1", "u2"], 4)}
    bias = make_position_bias()
    model = rk.RankingModel(rk.models.tower(features), label="click", training_bias=bias)
    model.compile("adam", loss=LOGITS, run_eagerly=True)
    model.fit(rk.data.batches(rows, 2), verbose=0)
    assert np.any(weights_by_position(bias))


def test_unsuitable_training_bias_raises():
    features = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    position = {"position": rk.layers.IdEmbedding([1], 2)}
    wide = rk.ranking_network(position, interaction=rk.interactions.concatenate)
    with pytest.raises(ValueError, match=r"training_bias must be .* of shape \(None, 1\)\. Got: "):
        rk.RankingModel(rk.models.tower(features), label="click", training_bias=wide)
    heads = {"a": rk.layers.DenseRatingHead([2])}
    network = rk.ranking_network(features, head=heads, score={"a": 1.0})
    with pytest.raises(TypeError, match=r"training_bias must be a dict by head.*\{'a': \.\.\.\}"):
        rk.RankingModel(network, label={"a": "click"}, training_bias=make_position_bias())
    bias = {"b": make_position_bias()}
    with pytest.raises(ValueError, match="Unknown head in training_bias 'b'"):
        rk.RankingModel(network, label={"a": "click"}, training_bias=bias)
    ordinal = rk.ranking_network(features, head=rk.layers.OrdinalHead((0, 1), [2]))
    model = rk.RankingModel(ordinal, label="click", training_bias=make_position_bias())
    text = "training_bias is added to the score, but the loss reads 'log_distribution'"
    with pytest.raises(ValueError, match=text):
        model.compile("adam", loss=rk.losses.OrdinalLoss((0, 1)))


# --- Sampled negatives ---


def test_clicks_and_sampled_negatives_train_the_ranking_of_unclicked_items():
    users, items = np.divmod(np.arange(40 * 30), 30)
    # Each user likes every third item, and has clicked half of those.
    liked = (users + items) % 3 == 0
    clicked = liked & (np.random.default_rng(3).random(len(users)) < 0.5)
    pairs = {
        name: np.array([f"{name[0]}{number}" for number in numbers], object)
        for name, numbers in (("user_id", users), ("item_id", items))
    }
    tf.keras.utils.set_random_seed(1)
    features = {
        name: rk.layers.IdEmbedding.from_column(ids, 5, embeddings_initializer="normal")
        for name, ids in pairs.items()
    }
    model = rk.RankingModel(rk.models.factorization_machine(features), label="click")
    model.compile(tf.keras.optimizers.Adam(0.06), loss=LOGITS, metrics=[])
    clicks = {name: ids[clicked] for name, ids in pairs.items()}
    batches = rk.data.with_negatives(clicks, 64, item="item_id", num_negatives=3, seed=1)
    model.fit(batches, epochs=15, verbose=0)
    rows = {**{name: ids[~clicked] for name, ids in pairs.items()}, "click": liked[~clicked]}
    report = rk.evaluate_ranking(model, rows, train=rows, item="item_id", relevant=1.0)
    assert report.metrics["auc"] == pytest.approx(1.0, abs=0.15)


# --- Logits and probabilities ---


PROBABILITIES = tf.keras.losses.binary_crossentropy
BOUNDED = rk.layers.DenseRatingHead([4], rating_range=(0, 1))


def compile_model(head=None, loss=LOGITS, **kwargs):
    features = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    network = rk.ranking_network(features, head=head or rk.layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="click")
    model.compile("adam", loss=loss, **kwargs)
    return model


METRICS = tf.keras.metrics
WITH_THRESHOLD = "metrics must be metrics with an explicit decision threshold"
SIGMOID = tf.keras.layers.Dense(1, "sigmoid")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"loss": "binary_crossentropy"}, "loss must be a loss of logits"),
        ({"loss": PROBABILITIES}, "loss must be a loss of logits"),
        ({"loss": tf.keras.losses.BinaryFocalCrossentropy()}, "loss must be a loss of logits"),
        ({"loss": "categorical_crossentropy"}, "loss must be a loss of one score"),
        ({"metrics": [METRICS.AUC(name="auc")]}, "metrics must be a metric of logits"),
        ({"metrics": [METRICS.F1Score(threshold=0.5)]}, "metrics must be a metric of logits"),
        ({"weighted_metrics": [PROBABILITIES]}, "weighted_metrics must be a metric of logits"),
        ({"metrics": ["precision"]}, WITH_THRESHOLD),
        ({"metrics": [METRICS.Recall(thresholds=0.5)]}, WITH_THRESHOLD),
        ({"metrics": [METRICS.F1Score()]}, "metrics must be metrics of one score"),
        ({"head": BOUNDED}, "loss must be a loss of probabilities"),
        ({"head": SIGMOID}, "loss must be a loss of probabilities"),
        (
            {"head": BOUNDED, "loss": "mse", "metrics": [METRICS.AUC(from_logits=True)]},
            "metrics must be a metric of probabilities",
        ),
    ],
)
def test_losses_and_metrics_of_logits_and_probabilities_are_not_confused(arguments, text):
    with pytest.raises(ValueError, match=rf"^{text}.* Got: \w+='\w+'\. (Use|Pass|Bound) "):
        compile_model(**arguments)


ON_THE_SCALE_OF_LABELS = {
    *("MeanAbsoluteError", "mean_absolute_error", "MAE", "mae", "Poisson", "poisson", "R2Score"),
    *("MeanSquaredError", "mean_squared_error", "MSE", "mse", "RootMeanSquaredError"),
    *("MeanAbsolutePercentageError", "mean_absolute_percentage_error", "MAPE", "mape"),
    *("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error", "MSLE", "msle"),
    *("MeanRelativeError", "LogCoshError", "log_cosh", "logcosh"),
}
ANY_SCORE = {
    *ON_THE_SCALE_OF_LABELS,
    *("Hinge", "hinge", "SquaredHinge", "squared_hinge", "CategoricalHinge", "categorical_hinge"),
}
NOT_OF_LABELS = {"Mean", "MeanMetricWrapper", "MeanTensor", "Metric", "Sum"}
NOT_OF_LABELS |= {"deserialize", "get", "serialize"}
ARGUMENTS = {
    "MeanIoU": {"num_classes": 2},
    "MeanRelativeError": {"normalizer": [1.0]},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [1]},
    "OneHotMeanIoU": {"num_classes": 2},
    "IoU": {"num_classes": 2, "target_class_ids": [1]},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}
PUBLIC = [name for name in dir(METRICS) if callable(getattr(METRICS, name))]
PUBLIC = [name for name in PUBLIC if name[0] != "_" and name not in NOT_OF_LABELS]


@pytest.mark.parametrize("name", PUBLIC)
def test_each_metric_class_of_keras_is_correct_or_refused_on_logits(name):
    """A metric that a new version of Keras adds has to be sorted into these lists."""
    metric = getattr(METRICS, name)
    if isinstance(metric, type):
        check_metric(name, type("Named", (metric,), {})(**ARGUMENTS.get(name, {})))
        metric = metric(**ARGUMENTS.get(name, {}))
    check_metric(name, metric)


class RmseOfProbabilities(METRICS.RootMeanSquaredError):
    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true, tf.sigmoid(y_pred), sample_weight)


def test_a_metric_with_its_own_update_may_convert_logits():
    [metric] = as_metrics("metrics", [RmseOfProbabilities()], None, True, "logit")
    metric.update_state([1.0, 0.0], [0.0, 0.0])
    assert float(metric.result()) == 0.5


def check_metric(name, metric):
    if name in ANY_SCORE:
        assert as_metrics("metrics", [metric], None, True, "estimate")
    if name in ANY_SCORE - ON_THE_SCALE_OF_LABELS:
        assert as_metrics("metrics", [metric], None, True, "logit")
        return
    with pytest.raises(
        ValueError, match="^metrics must be (a metric of logits|metrics (with|of one))"
    ):
        as_metrics("metrics", [metric], None, True, "logit")


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ARGUMENTS])
def test_each_metric_name_of_keras_is_correct_or_refused_on_logits(name):
    for each in (name, _snake_case(name)):
        if name in ANY_SCORE - ON_THE_SCALE_OF_LABELS:
            assert as_metrics("metrics", [each], None, True, "logit")
        elif _snake_case(name) in ("auc", "bce", "binary_crossentropy"):
            [metric] = as_metrics("metrics", [each], None, True)
            assert metric.get_config()["from_logits"]
        else:
            with pytest.raises(ValueError, match=r"^metrics must be|^Unknown metric "):
                as_metrics("metrics", [each], None, True, "logit")


LOSSES = tf.keras.losses
PUBLIC_LOSSES = [name for name in dir(LOSSES) if callable(getattr(LOSSES, name))]
NOT_A_LOSS = {"Loss", "Reduction", "deserialize", "get", "serialize"}


@pytest.mark.parametrize("name", [name for name in PUBLIC_LOSSES if name not in NOT_A_LOSS])
def test_each_loss_of_keras_is_correct_or_refused_on_logits(name):
    loss = getattr(LOSSES, name)
    loss = per_example(loss() if isinstance(loss, type) else loss)
    as_metric = getattr(LOSSES, name)
    as_metric = as_metric() if isinstance(as_metric, type) else as_metric
    if name in {*ANY_SCORE, "Huber", "huber", "LogCosh"}:
        assert check_loss(loss, True) is True
        assert as_metrics("metrics", [as_metric], None, True, "estimate")
    else:
        with pytest.raises(ValueError, match="^loss must be a loss of (logits|one score)"):
            check_loss(loss, True)
    if "hinge" not in name.lower():
        with pytest.raises(
            ValueError, match="^metrics must be (a metric of logits|metrics of one)"
        ):
            as_metrics("metrics", [as_metric], None, True, "logit")


class BrierScore(tf.keras.metrics.MeanSquaredError):
    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true, tf.sigmoid(y_pred), sample_weight)


def brier_score(y_true, y_pred):
    return tf.keras.losses.mean_squared_error(y_true, tf.sigmoid(y_pred))


def test_errors_on_the_scale_of_labels_need_the_sigmoid_of_logits():
    text = r"a cross entropy of logits\. Got: metrics='mse'\. Pass a function .* the sigmoid"
    with pytest.raises(ValueError, match=text):
        compile_model(metrics=["mse"])
    for bounded in ("binary_crossentropy", "mse"):
        compile_model(BOUNDED, loss=bounded, metrics=["mse"])
    own = [brier_score, BrierScore(name="a"), METRICS.MeanMetricWrapper(brier_score, name="b")]
    model = compile_model(metrics=own)
    rows = {"user_id": ["u1", "u2"], "click": [1.0, 0.0]}
    found = model.evaluate(rk.data.batches(rows, 2), verbose=0, return_dict=True)
    probabilities = tf.sigmoid(model.predict(rk.data.batches(rows, 2), verbose=0))[:, 0]
    expected = np.mean((probabilities - rows["click"]) ** 2)
    for name in ("brier_score", "a", "b"):
        assert found[name] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "metric",
    [METRICS.BinaryAccuracy(threshold=0.0), METRICS.Precision(thresholds=0.0),
     METRICS.TruePositives(thresholds=[0.0]), METRICS.BinaryIoU(threshold=0.0)],
    ids=lambda metric: metric.name,
)  # fmt: skip
def test_metrics_with_a_threshold_of_logits_equal_those_of_probabilities(metric):
    labels, logits = [[1.0], [1.0], [0.0], [0.0]], tf.constant([[3.0], [-2.0], [0.3], [-0.4]])
    [of_logits] = as_metrics("metrics", [metric], None, True)
    of_probabilities = type(metric)()
    of_logits.update_state(labels, logits)
    of_probabilities.update_state(labels, tf.sigmoid(logits))
    assert of_logits.result().numpy() == pytest.approx(of_probabilities.result().numpy())


def click_model(build, **kwargs):
    """A model with the score of a network's only feature, a logit `x`."""
    inputs = {"x": tf.keras.Input((1,), name="x")}
    network = tf.keras.Model(inputs, build(inputs["x"]))
    model = rk.RankingModel(network, label="click")
    model.compile("adam", **kwargs)
    return model


def click_rows(count=2000):
    rng = np.random.default_rng(3)
    logits = rng.normal(0.0, 2.0, count).astype(np.float32)
    return {"x": logits, "click": (rng.random(count) < 1 / (1 + np.exp(-logits))).astype("f4")}


def identity():
    return tf.keras.layers.Dense(1, kernel_initializer="ones")


def zero():
    return tf.keras.layers.Dense(1, kernel_initializer="zeros")


def sigmoid_lambda(logits):
    return tf.keras.layers.Lambda(tf.sigmoid)(logits)


def plain_lambda(logits):
    return tf.keras.layers.Lambda(lambda x: 1.0 * x)(logits)


OF_PROBABILITIES = tf.keras.losses.BinaryCrossentropy(from_logits=False)
BUILDS = {
    "logit": (lambda x: identity()(x), LOGITS),
    "sum": (lambda x: tf.keras.layers.Add()([identity()(x), zero()(x)]), LOGITS),
    "lambda of logits": (lambda x: plain_lambda(identity()(x)), LOGITS),
    "probability": (lambda x: tf.sigmoid(identity()(x)), OF_PROBABILITIES),
    "dropout": (
        lambda x: tf.keras.layers.Dropout(0.1)(
            tf.keras.layers.Activation("sigmoid")(identity()(x))
        ),
        "binary_crossentropy",
    ),
    "lambda of probabilities": (lambda x: sigmoid_lambda(identity()(x)), OF_PROBABILITIES),
}


@pytest.mark.parametrize(("build", "loss"), BUILDS.values(), ids=list(BUILDS))
def test_metrics_are_correct_whatever_the_last_layer(build, loss):
    rows = click_rows()
    metrics = ["auc", "binary_crossentropy"]
    model = click_model(build, loss=loss, metrics=metrics, run_eagerly=True)
    found = model.evaluate(rk.data.batches(rows, 300), verbose=0, return_dict=True)
    probabilities = 1 / (1 + np.exp(-rows["x"].astype(float)))
    expected = log_loss(rows["click"], probabilities)
    assert found["loss"] == pytest.approx(expected, rel=1e-4)
    assert found["binary_crossentropy"] == pytest.approx(expected, rel=1e-4)
    # Keras computes the area from 200 thresholds.
    assert found["auc"] == pytest.approx(roc_auc_score(rows["click"], probabilities), abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"loss": "binary_crossentropy"}, "loss must be a loss with from_logits, because the"),
        ({"loss": PROBABILITIES}, "loss must be a loss with from_logits"),
        ({"loss": "mse", "metrics": ["auc"]}, "metrics must be metrics with from_logits"),
        ({"loss": "mse", "metrics": ["bce"]}, "metrics must be metrics with from_logits"),
        ({"loss": LOGITS, "metrics": [METRICS.AUC()]}, "metrics must be a metric of logits"),
        ({"loss": LOGITS, "metrics": ["recall"]}, "metrics must be metrics with an explicit"),
        (
            {"loss": OF_PROBABILITIES, "metrics": [METRICS.AUC(from_logits=True)]},
            "metrics must be a metric of probabilities",
        ),
    ],
)
def test_unknown_outputs_need_from_logits_which_the_metrics_follow(arguments, text):
    with pytest.raises(
        ValueError, match=rf"^{text}.* Got: \w+='\w+'\. (Use|Pass) .*from_logits|thres"
    ):
        click_model(plain_lambda, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [{"loss": OF_PROBABILITIES}, {"loss": "mse", "metrics": [METRICS.AUC()]},
     {"loss": "mse", "metrics": ["precision"]}],
)  # fmt: skip
def test_unknown_outputs_outside_0_and_1_are_refused_as_probabilities(arguments):
    model = click_model(lambda x: plain_lambda(identity()(x)), **arguments)
    text = r"^Scores must be from 0 to 1 for a loss or metric of prob.* Got: \d\..*from_logits=True"
    for run in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=text):
            run(rk.data.batches(click_rows(), 300), verbose=0)


def test_each_of_several_heads_is_measured_by_its_own_output():
    features = {"user_id": rk.layers.IdEmbedding(["u1", "u2"], 4)}
    heads = {"bounded": BOUNDED, "click": rk.layers.DenseRatingHead([4])}
    network = rk.ranking_network(features, head=heads, score={"click": 1.0})
    model = rk.RankingModel(network, label=dict.fromkeys(heads, "label"))
    losses = {"bounded": "binary_crossentropy", "click": LOGITS}
    model.compile(loss=losses, metrics={head: ["auc"] for head in heads})
    metrics = {metric.name: metric for metric in model.metrics}
    assert not metrics["bounded_auc"].get_config()["from_logits"]
    assert metrics["click_auc"].get_config()["from_logits"]
    with pytest.raises(ValueError, match="^Head 'click': loss must be a loss of logits"):
        model.compile(loss=dict.fromkeys(heads, "binary_crossentropy"))


def test_training_bias_of_a_probability_is_refused():
    rows = {"user_id": rk.layers.IdEmbedding(["u1"], 4)}
    network = rk.ranking_network(rows, head=BOUNDED)
    model = rk.RankingModel(network, label="click", training_bias=make_position_bias())
    with pytest.raises(ValueError, match="^training_bias is added to the score.* probability"):
        model.compile(loss="binary_crossentropy")


def test_labels_outside_0_and_1_raise():
    rows = {"user_id": ["u1", "u2"], "click": [1.0, 4.0]}
    with pytest.raises(ValueError, match=r"^Labels must be from 0 to 1 for a cross .* Got: 4\."):
        compile_model().fit(rk.data.batches(rows, 2), verbose=0)
