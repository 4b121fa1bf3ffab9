"""Custom losses and metrics, some of which return one number for a whole batch."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


def of_batch(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred))


def of_batch_in_a_list(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), keepdims=True)


def of_unknown_shape(y_true, y_pred):
    return tf.py_function(of_batch, (y_true, y_pred), tf.float32)


class OfBatch(tf.keras.losses.Loss):
    def call(self, y_true, y_pred):
        return of_batch(y_true, y_pred)


PER_BATCH = {
    "function": of_batch,
    "function of shape (1, 1)": of_batch_in_a_list,
    "function of unknown shape": of_unknown_shape,
    "object": OfBatch(),
    "object with a reduction": OfBatch(tf.keras.losses.Reduction.SUM),
}
HEADS = {"user_id": "user", "movie_id": "movie"}


def make_model(rows, loss, *, sample_weight=None, **kwargs):
    tf.keras.utils.set_random_seed(1)
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in HEADS}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="rating", sample_weight=sample_weight)
    model.compile(tf.keras.optimizers.Adagrad(0.1), loss=loss, **kwargs)
    return model


def train(model, training, validation=None):
    """Returns the history of a training, and the weights it ends with by their numbers."""
    history = model.fit(training, validation_data=validation, verbose=0).history
    return {**history, **dict(enumerate(model.get_weights()))}


def assert_close(found, expected, name):
    for each in expected:
        np.testing.assert_allclose(found[each], expected[each], 1e-4, 1e-6, err_msg=name)


@pytest.mark.slow
def test_loss_of_a_batch_weighs_batches_by_their_size(rows):
    """Weights and results equal those of the same loss of each example; the last batch is small."""
    batches = rk.data.batches(rows, 32)  # in memory
    ways = [batches, batches.map(lambda batch: batch)]
    expected = [train(make_model(rows, "mae", metrics=[]), *way) for way in (ways, ways[::-1])]
    for number, (name, loss) in enumerate(PER_BATCH.items()):
        way = ways if number % 2 == 0 else ways[::-1]
        found = train(make_model(rows, loss, metrics=[]), *way)
        assert_close(found, expected[number % 2], name)


def test_loss_of_a_batch_on_replicas_weighs_them_by_their_rows(rows, mirrored_strategy):
    batches = rk.data.batches(rows, 31)
    with mirrored_strategy.scope():
        model = make_model(rows, of_batch, metrics=[])
    expected = train(make_model(rows, "mae", metrics=[]), batches)
    assert_close(train(model, batches), expected, "replicas")


def test_loss_of_a_batch_of_each_head_weighs_batches_by_their_labels(rows):
    rows |= {"click": np.where(np.arange(403) < 100, 1.0, np.nan).astype(np.float32)}
    tf.keras.utils.set_random_seed(1)
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in HEADS}
    heads = {name: rk.layers.DenseRatingHead([8]) for name in ("rating", "click")}
    network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
    model = rk.RankingModel(network, label={name: name for name in heads})
    results = []
    for loss in (of_batch, "mae"):
        model.compile(loss=dict.fromkeys(heads, loss), metrics={}, run_eagerly=True)
        results.append(model.evaluate(rk.data.batches(rows, 32), verbose=0, return_dict=True))
    assert results[0] == pytest.approx(results[1], rel=1e-5)


@pytest.mark.parametrize("loss", [of_batch, of_batch_in_a_list, OfBatch()])
def test_sample_weights_with_a_loss_of_a_batch_are_refused(rows, loss):
    model = make_model(rows, loss, metrics=[], sample_weight="weight")
    text = r"^loss must be a loss per example, which can be weighted\. Got: loss='\w+'\. Return "
    with pytest.raises(ValueError, match=text):
        model.fit(rk.data.batches(rows, 32), verbose=0)


def of_rows(y_true, y_pred):
    return tf.numpy_function(lambda a, b: ((a - b) ** 2)[:, 0], (y_true, y_pred), tf.float32)


def of_rows_in_a_column(y_true, y_pred):
    return tf.numpy_function(lambda a, b: (a - b) ** 2, (y_true, y_pred), tf.float32)


def of_one_row(y_true, y_pred):
    return of_rows(y_true, y_pred)[:1]


@pytest.mark.parametrize("function", [of_rows, of_rows_in_a_column])
@pytest.mark.parametrize("change", [lambda data: data, lambda data: data.map(dict)])
def test_functions_of_numpy_are_weighted(rows, function, change):
    model = make_model(
        rows, function, metrics=[], weighted_metrics=[function, "mse"], sample_weight="weight"
    )
    found = model.evaluate(change(rk.data.batches(rows, 32)), verbose=0, return_dict=True)
    scores = model.predict(rk.data.batches(rows, 32), verbose=0)[:, 0]
    expected = np.mean(rows["weight"] * (rows["rating"] - scores) ** 2)
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert found[function.__name__] == pytest.approx(found["mse"], rel=1e-5)


@pytest.mark.parametrize("function", [of_unknown_shape, of_one_row])
@pytest.mark.parametrize("change", [lambda data: data, lambda data: data.map(dict)])
def test_functions_of_numpy_that_return_one_number_cannot_be_weighted(rows, function, change):
    batches = change(rk.data.batches(rows, 32))
    text = r"must be (a loss|metrics) per example, which can be weighted\. Got: \w+=.of_"
    for arguments in (
        {"loss": function, "metrics": []},
        {"loss": "mse", "weighted_metrics": [function]},
    ):
        model = make_model(rows, **arguments, sample_weight="weight")
        with pytest.raises(ValueError, match=text):
            model.evaluate(batches, verbose=0)


def test_metric_of_a_batch_weighs_batches_by_their_size(rows):
    metrics = [of_batch, of_batch_in_a_list, of_unknown_shape, "mae"]
    model = make_model(rows, "mse", metrics=metrics)
    found = model.evaluate(rk.data.batches(rows, 32), verbose=0, return_dict=True)
    for function in metrics[:3]:
        assert found[function.__name__] == pytest.approx(found["mae"], rel=1e-5)


def test_weighted_metric_of_a_batch_is_refused(rows):
    model = make_model(rows, "mse", metrics=[], weighted_metrics=[of_batch], sample_weight="weight")
    with pytest.raises(
        ValueError, match="^weighted_metrics must be metrics per example, .*of_batch"
    ):
        model.evaluate(rk.data.batches(rows, 32), verbose=0)


def test_metric_function_with_a_python_if_is_converted(rows):
    def share_above(y_true, y_pred):
        if tf.reduce_mean(y_true) > 100.0:
            return tf.zeros_like(y_true)
        return tf.abs(y_true - y_pred)

    model = make_model(rows, "mse", metrics=[share_above, "mae"])
    found = model.evaluate(rk.data.batches(rows, 32), verbose=0, return_dict=True)
    assert found["share_above"] == pytest.approx(found["mae"], rel=1e-6)


class Total(rk.losses.ListLoss):
    def call_on_lists(self, labels, scores, mask, weights):
        return tf.reduce_mean(weights * (labels - scores) ** 2)


def test_list_loss_that_reduces_over_the_lists_is_refused():
    with pytest.raises(TypeError, match=r"^call_on_lists of 'total' must return one loss"):
        Total(name="total")([[1.0, 0.0]], [[0.0, 0.0]])


class Penalty(tf.keras.layers.Layer):
    """Adds the mean of the scores of a batch to the loss."""

    def call(self, inputs):
        self.add_loss(tf.reduce_mean(inputs))
        return inputs


@pytest.mark.parametrize("lists", [False, True])
def test_terms_of_a_batch_are_averaged_over_examples(rows, lists):
    inner = make_model(rows, "mse").network
    network = tf.keras.Model(inner.input, Penalty()(inner.output))
    model = rk.RankingModel(network, label="rating")
    if lists:
        model.compile(loss=rk.losses.SoftmaxLoss(), run_eagerly=True)
        data = rk.data.lists(rows, 8, query="user_id")
    else:
        model.compile(run_eagerly=True)
        data = rk.data.batches(rows, 32)
    sizes, terms = [], []
    for batch in data:
        there = batch.get("mask", np.ones(len(batch["rating"]), bool))
        terms.append(inner({name: batch[name][there] for name in HEADS}).numpy().mean())
        sizes.append(len(there))
    found = model.evaluate(data, verbose=0, return_dict=True)
    expected = np.average(terms, weights=sizes)
    assert found["regularization_loss"] == pytest.approx(expected, rel=1e-4)
    assert found["total_loss"] == pytest.approx(found["loss"] + expected, rel=1e-4)
