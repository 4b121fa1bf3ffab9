"""A search with real training."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from stub_search import hyperparameters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def search(make_hypermodel, rows, tmp_path_factory):
    def search(directory, **kwargs):
        settings = {"max_trials": 2, "epochs": 4, "verbose": 0, **kwargs}
        folder = tmp_path_factory.mktemp("search") / directory
        return rk.tuning.search(make_hypermodel(), rows, directory=folder, **settings)

    return search


@pytest.fixture(scope="module")
def found(search):
    return search("two_trials")


def train(hypermodel, found, rows):
    """Trains a model as the search has trained its best one."""
    hp = hyperparameters(**found.hyperparameters)
    tf.keras.utils.set_random_seed(42)
    model = hypermodel.build(hp)
    hypermodel.fit(hp, model, rows, epochs=found.epochs, seed=42, verbose=0)
    return model


def test_best_model_is_trained_on_all_rows(found, make_hypermodel, rows):
    model = train(make_hypermodel(), found, rows)
    for weight, expected in zip(found.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_score_is_computed_on_held_out_rows(found, make_hypermodel, rows):
    rest, validation = rk.data.random_split(rows, test_fraction=0.1, seed=42)
    model = train(make_hypermodel(), found, rest)
    evaluated = model.evaluate(rk.data.batches(validation, 1000), verbose=0, return_dict=True)
    assert found.score == pytest.approx(evaluated["root_mean_squared_error"], rel=1e-5)


def test_trials_do_not_depend_on_earlier_ones(found, search):
    again = search("one_trial", max_trials=1)
    assert again.trials[0]["score"] == found.trials[0]["score"]


def test_diverging_trial_fails(search, make_hypermodel, rows, tmp_path):
    space = {"tower_width": 8, "learning_rate": 1e30, "optimizer": "sgd", "batch_size": 16}
    with pytest.raises(RuntimeError, match=r"failed:\nThe loss was (nan|inf) by step [0-9]+ of"):
        rk.tuning.search(
            make_hypermodel(space=space), rows, directory=tmp_path, max_trials=1, verbose=0
        )


def test_hyperband_continues_trials_from_their_weights(search):
    trials = search("hyperband", tuner="hyperband", max_trials=8, epochs=3).trials
    assert len(trials) > 2
    assert {row["status"] for row in trials} == {"COMPLETED"}
    continued = [row for row in trials if row["best_epoch"] > 1]
    first = [row for row in trials if row["best_epoch"] == 1]
    assert min(row["score"] for row in continued) < min(row["score"] for row in first)
