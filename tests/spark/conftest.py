"""One Spark for all of these tests, on the Java that is installed with the extra."""

import shutil

import pytest
import rankkit as rk
import tensorflow as tf

USERS = [f"u{number}" for number in range(30)]
ITEMS = [f"i{number}" for number in range(20)]


@pytest.fixture(scope="session")
def spark():
    from rankkit.spark._session import session_of

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JAVA_HOME", raising=False)
        patch.setattr(shutil, "which", lambda name: None)  # as on a machine without Java
        session = session_of(None)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def network():
    tf.keras.utils.set_random_seed(1)
    features = {
        "user_id": rk.layers.IdEmbedding(USERS, 4),
        "item_id": rk.layers.IdEmbedding(ITEMS, 4),
    }
    return rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="session")
def export(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "1"
    rk.export.save(network, path)
    return path
