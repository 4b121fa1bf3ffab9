"""Small searches over synthetic ratings, most of them with a hypermodel that trains nothing."""

import functools
import sys
from pathlib import Path

import pytest

import rankkit as rk
from rankkit.tuning.trial import TrialRunner

# By the same name as in the processes that the tests start.
sys.path.append(str(Path(__file__).parent))
import stub_search


@pytest.fixture(scope="session")
def rows():
    return stub_search.make_rows()


@pytest.fixture(scope="session")
def make_hypermodel(rows):
    """Makes a hypermodel of real models."""
    return functools.partial(stub_search.make_hypermodel, rows, rk.tuning.RankingHyperModel)


@pytest.fixture(scope="session")
def make_stub(rows):
    """Makes a hypermodel whose `fit` reports made-up metrics; `kind` may be a subclass."""
    return functools.partial(stub_search.make_hypermodel, rows)


@pytest.fixture(scope="session")
def stub_class():
    return stub_search.StubHyperModel


@pytest.fixture
def interrupt_trials(monkeypatch):
    """Raises `KeyboardInterrupt` at the start of trials, counted from 1; returns a log."""

    def interrupt(*numbers):
        started, original = [], TrialRunner.run_trial

        def run_trial(self, trial, *args):
            started.append(trial.trial_id)
            if len(started) in numbers:
                raise KeyboardInterrupt
            return original(self, trial, *args)

        monkeypatch.setattr(TrialRunner, "run_trial", run_trial)
        return started

    return interrupt


@pytest.fixture
def run(make_stub, rows, tmp_path):
    """Runs a search of few, short trials, by default without training."""

    def search(directory="search", hypermodel=None, space=None, **kwargs):
        settings = {"max_trials": 3, "epochs": 2, "verbose": 0, "rows": rows, **kwargs}
        hypermodel = hypermodel or make_stub(**({"space": space} if space else {}))
        return rk.tuning.search(
            hypermodel, settings.pop("rows"), directory=tmp_path / directory, **settings
        )

    return search
