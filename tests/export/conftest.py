import pytest

import rankkit as rk
import tensorflow as tf


@pytest.fixture(scope="session")
def make_network():
    """Makes a network of users and movies, or of other feature layers."""

    def make(**layers):
        layers = layers or {
            "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
            "movie_title": rk.layers.IdEmbedding(["a", "b", "c"], 4),
        }
        return rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))

    return make


@pytest.fixture(scope="session")
def exported(make_network, tmp_path_factory):
    """A model of users and movies, and the folder with its `1`, `m.tflite` and `m.keras`."""
    folder = tmp_path_factory.mktemp("exported")
    model = rk.RankingModel(make_network(), label="rating")
    model.compile("adagrad")
    model.save(folder / "m.keras")
    rk.export.save(model, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return model, folder


@pytest.fixture(scope="session")
def loaded(exported):
    """The SavedModel as TensorFlow loads it."""
    return tf.saved_model.load(str(exported[1] / "1"))
