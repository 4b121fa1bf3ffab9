"""What an oracle is told that is out of the ordinary."""

import itertools

import keras_tuner as kt
import pytest

from rankkit.tuning.journal import Journal, read_journal
from rankkit.tuning.reporting import Progress
from rankkit.tuning.space import Space
from rankkit.tuning.reporting import trial_table
from rankkit.tuning.oracles import make_oracle

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.fixture
def begin(tmp_path):
    """Begins a search in the journal of the test, or goes on with it."""

    def begin(tuner="random", space=None, **kwargs):
        settings = {"max_trials": 4, "epochs": 1, "seed": 1, "max_consecutive_failed_trials": 3}
        settings |= kwargs
        oracle = make_oracle(tuner, Space(space), objective=OBJECTIVE, **settings)
        oracle._set_project_dir(tmp_path, "search")
        oracle.replay(read_journal(tmp_path / "journal.jsonl"))
        oracle.write_to(Journal(tmp_path / "journal.jsonl"), Progress([], total=4, verbose=0))
        return oracle

    return begin


def end(oracle, trial, loss=None):
    if loss is None:
        trial.status, trial.message = "FAILED", "broken"
    else:
        oracle.update_trial(trial.trial_id, {"val_loss": loss, "epochs": 1})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_a_worker_that_outlives_its_chief_ends_its_trial_once(begin):
    first = begin()
    running = first.create_trial("worker0")
    end(first, first.create_trial("worker1"), 2.0)
    second = begin()  # the chief was killed, and started again
    end(second, running, 1.0)
    again = second.create_trial("worker0")
    assert again.trial_id == "0002"  # the trial that ended meanwhile is not run again
    end(second, running, 3.0)  # and the first end counts
    scores = [row["score"] for row in trial_table(second)[:2]]
    assert scores == [1.0, 2.0]
    assert [row["best_epoch"] for row in trial_table(second)[:2]] == [1, 1]
    third = begin()
    assert [row["score"] for row in trial_table(third)[:2]] == scores
    assert third.create_trial("worker0").trial_id == "0002"


def test_a_trial_that_two_workers_run_ends_once(begin):
    running = begin().create_trial("worker0")
    oracle = begin()
    again = oracle.create_trial("worker1")
    assert again.trial_id == running.trial_id
    end(oracle, running, 1.0)
    end(oracle, again, 1.0)
    assert [oracle.create_trial(worker).trial_id for worker in ("worker0", "worker1")] == [
        "0001",
        "0002",
    ]
    assert len(begin().ended) == 1


def test_too_many_failures_stop_all_workers_without_an_error_of_theirs(begin):
    oracle = begin(max_consecutive_failed_trials=2)
    first, second, third = (oracle.create_trial(f"worker{number}") for number in range(3))
    end(oracle, first)
    end(oracle, second)
    assert oracle.stopped_by == "broken"
    assert oracle.create_trial("worker0").status == "STOPPED"
    end(oracle, third, 1.0)
    assert oracle.create_trial("worker2").status == "STOPPED"
    again = begin(max_consecutive_failed_trials=2)
    assert again.stopped_by is None
    assert again.create_trial("worker0").trial_id == second.trial_id
    assert sorted(again.ended) == [first.trial_id, third.trial_id]
    assert not again.is_complete


FINITE = {"tower_width": [4, 8, 16, 32], "learning_rate": [0.01, 0.02, 0.05, 0.1]}


def by_two_workers(oracle):
    """Runs a search to its end by two workers that end their trials in turns."""
    workers, running = ["worker0", "worker1"], {}
    while workers:
        for worker in list(workers):
            if worker in running:
                end(oracle, running.pop(worker), 1.0)
            trial = oracle.create_trial(worker)
            if trial.status == "STOPPED":
                workers.remove(worker)
            elif trial.status == "RUNNING":
                running[worker] = trial
    return [trial.hyperparameters.values for trial in oracle.trials.values()]


def by_one_worker(oracle):
    while (trial := oracle.create_trial("worker0")).status == "RUNNING":
        end(oracle, trial, 1.0)
    return [trial.hyperparameters.values for trial in oracle.trials.values()]


@pytest.mark.parametrize(
    ("tuner", "seed"),
    # Bayesian trials take seconds to choose.
    [*itertools.product(["random", "grid"], range(4)), ("bayesian", 0), ("bayesian", 1)],
)
def test_all_of_a_finite_space_is_tried_by_one_worker_and_by_two(tuner, seed, begin, tmp_path):
    settings = {"tuner": tuner, "space": FINITE, "max_trials": 20, "seed": seed}
    tried = by_two_workers(begin(**settings))
    assert len({tuple(values.values()) for values in tried}) == 16
    again = begin(**settings)  # replayed
    assert again.is_complete
    assert [trial.hyperparameters.values for trial in again.trials.values()] == tried
    (tmp_path / "journal.jsonl").unlink()
    alone = by_one_worker(begin(**settings))
    assert len({tuple(values.values()) for values in alone}) == 16
    if tuner != "bayesian":
        assert alone == tried


@pytest.mark.parametrize("seed", range(4))
def test_hyperband_by_two_workers_can_be_replayed(seed, begin):
    space = {**FINITE, "tower_depth": [1, 2]}
    settings = {"tuner": "hyperband", "space": space, "max_trials": 30, "epochs": 9, "seed": seed}
    tried = by_two_workers(begin(**settings))
    again = begin(**settings)
    assert [trial.hyperparameters.values for trial in again.trials.values()] == tried
    assert {values["tuner/epochs"] for values in tried} > {9}


def test_hyperband_is_refused_where_there_is_too_little_to_draw(begin):
    space = {"tower_width": [4, 8], "learning_rate": [0.05, 0.1]}
    with pytest.raises(ValueError, match="another one where there are 4.*Let the grid try them"):
        begin("hyperband", space, max_trials=30, epochs=9)


def test_nothing_to_search_is_one_trial(begin, tmp_path):
    fixed = {"tower_width": 8, "learning_rate": 0.1}
    for tuner in ("random", "bayesian", "grid"):
        assert len(by_one_worker(begin(tuner, fixed))) == 1
        (tmp_path / "journal.jsonl").unlink()


def test_more_trials_than_before_are_not_complete(begin):
    by_one_worker(begin())
    assert begin().is_complete
    assert not begin(max_trials=6).is_complete


def test_near_seeds_draw_other_trials(begin, tmp_path):
    tried = []
    for seed in (42, 43, 44):
        tried += [
            values["learning_rate"] for values in by_one_worker(begin(seed=seed, max_trials=20))
        ]
        (tmp_path / "journal.jsonl").unlink()
    assert len(set(tried)) == 60
