"""A small search: made-up ratings, and models that train in a moment."""

import pytest

import rankkit as rk

SPACE = {"tower_width": [4, 8], "learning_rate": (0.01, 0.5), "batch_size": 256}


@pytest.fixture(scope="session")
def rows():
    columns, _ = rk.data.synthetic_ratings(600, num_users=30, num_items=20, seed=3)
    return columns


@pytest.fixture(scope="session")
def make_hypermodel(rows):
    def make(space=SPACE, **kwargs):
        features = {
            name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
            for name in ("user_id", "item_id")
        }
        return rk.tuning.RankingHyperModel(
            kwargs.pop("features", features), label="user_rating", space=space, **kwargs
        )

    return make


@pytest.fixture
def run(make_hypermodel, rows, tmp_path):
    """Runs a search of few, short trials."""

    def search(directory="search", space=SPACE, hypermodel=None, **kwargs):
        settings = {"max_trials": 3, "epochs": 2, "verbose": 0, "rows": rows, **kwargs}
        return rk.tuning.search(
            hypermodel or make_hypermodel(space),
            settings.pop("rows"),
            directory=tmp_path / directory,
            **settings,
        )

    return search
