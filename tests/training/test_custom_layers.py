"""A custom layer with a Python `if` over tensors, which AutoGraph has to convert."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


@tf.keras.utils.register_keras_serializable("test_custom_layers")
class Mirror(tf.keras.layers.Layer):
    """Mirrors scores at 1 if their mean is below 1."""

    def call(self, inputs):
        if tf.reduce_mean(inputs) < 1.0:
            return 2.0 - inputs
        return inputs


@pytest.fixture
def model(rows):
    tf.keras.utils.set_random_seed(1)
    names = ("user_id", "movie_id")
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in names}
    inner = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(tf.keras.Model(inner.input, Mirror()(inner.output)), label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    return model


def test_custom_layer_trains_and_evaluates_the_same_in_memory_and_over_an_iterator(model, rows):
    batches = rk.data.batches(rows, 32)
    iterated = batches.map(lambda row: row)
    start = model.get_weights()
    history = model.fit(batches, epochs=2, validation_data=iterated, verbose=0).history
    trained = model.get_weights()
    model.set_weights(start)
    model.compile(tf.keras.optimizers.Adagrad(0.1))  # without the accumulators
    expected = model.fit(iterated, epochs=2, validation_data=batches, verbose=0).history
    for one, two in zip(trained, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    for name in ("loss", "val_loss"):
        assert history[name] == pytest.approx(expected[name], rel=1e-5)
    eagerly = model.network({name: tf.constant(rows[name]) for name in ("user_id", "movie_id")})
    whole = rk.data.batches(rows, len(rows["rating"]))
    np.testing.assert_allclose(model.predict(whole, verbose=0), eagerly, rtol=1e-5)


def test_custom_layer_ranks_and_is_exported(model, tmp_path):
    candidates = {"movie_id": list(range(9))}
    pairs = {"user_id": ["3"] * 9, **candidates}
    scores = model({name: tf.constant(values) for name, values in pairs.items()}).numpy()[:, 0]
    expected = dict(zip(candidates["movie_id"], scores, strict=True))
    index = rk.CandidateIndex(model, candidates)
    rk.export.save(model, tmp_path / "1", candidates=candidates)
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    exported = rk.export.load(tmp_path / "1")
    for scorer, given in ((model, candidates), (model, index), (exported, candidates)):
        assert dict(rk.rank(scorer, {"user_id": "3"}, given)) == pytest.approx(expected, rel=1e-5)
    for scorer in (exported, rk.export.load(tmp_path / "ranker.tflite")):
        np.testing.assert_allclose(np.ravel(scorer(pairs)), scores, rtol=1e-5)
