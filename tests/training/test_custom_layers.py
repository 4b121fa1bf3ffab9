"""A layer of the user's own, with a Python `if` over tensors, which AutoGraph has to convert."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


@tf.keras.utils.register_keras_serializable("test_own_layers")
class Folded(tf.keras.layers.Layer):
    """Turns scores round if they are low in the mean."""

    def call(self, inputs):
        if tf.reduce_mean(inputs) < 1.0:
            return 2.0 - inputs
        return inputs


@pytest.fixture
def rows():
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 20, 300), generator.integers(0, 9, 300)
    return {
        "user_id": users.astype(str),
        "item_id": items.astype(str),
        "rating": (1 + users % 3 + items % 3).astype(np.float32),
    }


@pytest.fixture
def model(rows):
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in names}
    inner = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    network = tf.keras.Model(inner.input, Folded()(inner.output))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    return model


def test_it_is_trained_and_evaluated_in_memory_and_over_an_iterator(model, rows):
    batches = rk.data.batches(rows, 32)
    streamed = batches.map(lambda row: row)
    start = model.get_weights()
    history = model.fit(batches, epochs=2, validation_data=streamed, verbose=0).history
    trained = model.get_weights()
    # Without its optimizer's sums of squares.
    model.set_weights(start)
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    other = model.fit(streamed, epochs=2, validation_data=batches, verbose=0).history
    for one, two in zip(trained, model.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    assert history["loss"] == pytest.approx(other["loss"], rel=1e-5)
    assert history["val_loss"] == pytest.approx(other["val_loss"], rel=1e-5)
    eagerly = model.network({name: tf.constant(rows[name]) for name in ("user_id", "item_id")})
    whole = rk.data.batches(rows, len(rows["rating"]))
    np.testing.assert_allclose(model.predict(whole, verbose=0), eagerly, rtol=1e-5)


def test_it_is_ranked_registered_and_exported(model, tmp_path):
    candidates = {"item_id": [str(item) for item in range(9)]}
    pairs = {"user_id": ["3"] * 9, **candidates}
    scores = model({name: tf.constant(values) for name, values in pairs.items()}).numpy()[:, 0]
    expected = dict(zip(candidates["item_id"], scores, strict=True))
    pool = rk.CandidateIndex(model, candidates)
    rk.export.save(model, tmp_path / "export" / "1", candidates=candidates)
    loaded = rk.export.load(tmp_path / "export" / "1")
    rk.export.to_tflite(tmp_path / "export" / "1", tmp_path / "ranker.tflite")
    lite = rk.export.TFLiteScorer(tmp_path / "ranker.tflite")
    for scorer, given in ((model, candidates), (model, pool), (loaded, candidates)):
        assert dict(rk.rank(scorer, {"user_id": "3"}, given)) == pytest.approx(expected, rel=1e-5)
    found = lite({name: np.array(values) for name, values in pairs.items()})
    np.testing.assert_allclose(np.ravel(found), scores, rtol=1e-5)
    np.testing.assert_allclose(np.ravel(loaded(pairs)), scores, rtol=1e-5)
