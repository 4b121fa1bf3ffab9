"""Oracles driven without a tuner: several workers, lost chiefs, failures, replays."""

import itertools
import re

import keras_tuner as kt
import pytest

from rankkit.tuning.journal import Journal, read_journal
from rankkit.tuning.oracles import make_oracle
from rankkit.tuning.reporting import Progress, trial_table
from rankkit.tuning.space import Space

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.fixture
def start(tmp_path):
    """Starts a search with the journal of the test, or resumes it."""

    def start(tuner="random", space=None, **kwargs):
        settings = {"max_trials": 4, "epochs": 1, "seed": 1, "max_consecutive_failed_trials": 3}
        settings |= kwargs
        oracle = make_oracle(tuner, Space(space), objective=OBJECTIVE, **settings)
        oracle._set_project_dir(str(tmp_path), "search")
        oracle.replay(read_journal(tmp_path / "journal.jsonl"))
        oracle.write_to(Journal(tmp_path / "journal.jsonl"), Progress([], total=4, verbose=0))
        return oracle

    return start


def end(oracle, trial, loss=None):
    if loss is None:
        trial.status, trial.message = "FAILED", "broken"
    else:
        oracle.update_trial(trial.trial_id, {"val_loss": loss, "epochs": 1})
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def test_worker_that_outlived_its_chief_ends_its_trial_once(start):
    first = start()
    running = first.create_trial("worker0")
    end(first, first.create_trial("worker1"), 2.0)
    second = start()  # the chief was killed and restarted
    end(second, running, 1.0)
    again = second.create_trial("worker0")
    assert again.trial_id == "0002"  # the trial that ended meanwhile is not run again
    end(second, running, 3.0)  # and the first end counts
    third = start()
    for oracle in (second, third):
        results = [(row["score"], row["best_epoch"]) for row in trial_table(oracle)[:2]]
        assert results == [(1.0, 1), (2.0, 1)]
    assert third.create_trial("worker0").trial_id == "0002"


def test_trial_run_by_two_workers_ends_once(start):
    running = start().create_trial("worker0")
    oracle = start()
    again = oracle.create_trial("worker1")
    assert again.trial_id == running.trial_id
    end(oracle, running, 1.0)
    end(oracle, again, 1.0)
    assert oracle.create_trial("worker0").trial_id == "0001"
    assert oracle.create_trial("worker1").trial_id == "0002"
    assert len(start().ended) == 1


def test_too_many_failures_stop_all_workers_without_an_error(start):
    oracle = start(max_consecutive_failed_trials=2)
    first, second, third = (oracle.create_trial(f"worker{number}") for number in range(3))
    end(oracle, first)
    end(oracle, second)
    assert oracle.stopped_by == "broken"
    assert oracle.create_trial("worker0").status == "STOPPED"
    end(oracle, third, 1.0)
    assert oracle.create_trial("worker2").status == "STOPPED"
    again = start(max_consecutive_failed_trials=2)
    assert again.stopped_by is None
    assert again.create_trial("worker0").trial_id == second.trial_id
    assert sorted(again.ended) == [first.trial_id, third.trial_id]
    assert not again.is_complete


FINITE = {"tower_width": [4, 8, 16, 32], "learning_rate": [0.01, 0.02, 0.05, 0.1]}


def run_workers(oracle, *workers):
    """Completes a search with workers that end their trials in turns; returns their values."""
    working, running = list(workers), {}
    while working:
        for worker in list(working):
            if worker in running:
                end(oracle, running.pop(worker), 1.0)
            trial = oracle.create_trial(worker)
            if trial.status == "STOPPED":
                working.remove(worker)
            elif trial.status == "RUNNING":
                running[worker] = trial
    return tried_values(oracle)


def tried_values(oracle):
    return [trial.hyperparameters.values for trial in oracle.trials.values()]


@pytest.mark.parametrize(
    ("tuner", "seed"), [*itertools.product(["random", "grid"], range(3)), ("bayesian", 0)]
)
def test_finite_space_is_exhausted_without_duplicates(tuner, seed, start, tmp_path):
    space, size = FINITE, 16
    if tuner == "bayesian":  # it takes a second to choose a trial
        space, size = {"tower_width": [2, 4, 8, 16, 32], "learning_rate": 0.1}, 5
    settings = {"tuner": tuner, "space": space, "max_trials": 20, "seed": seed}
    tried = run_workers(start(**settings), "worker0", "worker1")
    assert len({tuple(values.values()) for values in tried}) == size
    again = start(**settings)  # replayed
    assert again.is_complete
    assert tried_values(again) == tried
    (tmp_path / "journal.jsonl").unlink()
    alone = run_workers(start(**settings), "worker0")
    assert len({tuple(values.values()) for values in alone}) == size
    if tuner != "bayesian":
        assert alone == tried


@pytest.mark.parametrize("seed", range(2))
def test_hyperband_with_two_workers_can_be_replayed(seed, start):
    space = {**FINITE, "tower_depth": [1, 2]}
    settings = {"tuner": "hyperband", "space": space, "max_trials": 30, "epochs": 9, "seed": seed}
    tried = run_workers(start(**settings), "worker0", "worker1")
    assert tried_values(start(**settings)) == tried
    assert {values["tuner/epochs"] for values in tried} > {9}


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"tower_width": [4, 8], "learning_rate": [0.05, 0.1]}, "Got: 4. Use tuner='grid'"),
        (["epochs"], "epochs is in the space. Leave epochs out"),
    ],
)
def test_spaces_that_hyperband_refuses(space, words, start):
    with pytest.raises(ValueError, match=words):
        start("hyperband", space, max_trials=30, epochs=9)


def test_fixed_values_are_one_trial(start, tmp_path):
    fixed = {"tower_width": 8, "learning_rate": 0.1}
    for tuner in ("random", "bayesian", "grid"):
        assert len(run_workers(start(tuner, fixed), "worker0")) == 1
        (tmp_path / "journal.jsonl").unlink()


def test_changed_values_in_the_journal_are_refused(start, tmp_path):
    trial = start().create_trial("worker0")
    path = tmp_path / "journal.jsonl"
    rate = str(trial.hyperparameters.values["learning_rate"])
    changed = path.read_text().replace(rate, "0.5")
    path.write_text(changed)
    with pytest.raises(ValueError, match="Line 1 of .*is damaged .*does not match its checksum"):
        start()
    path.write_text(re.sub(', "crc32": ".*?"', "", changed))  # as an older version wrote it
    with pytest.raises(ValueError, match="trial 0000 with .*0.5.* is missing or changed"):
        start()


def test_consecutive_seeds_sample_different_trials(start, tmp_path):
    tried = []
    for seed in (42, 43, 44):
        tried += run_workers(start(seed=seed, max_trials=20), "worker0")
        (tmp_path / "journal.jsonl").unlink()
    assert len({values["learning_rate"] for values in tried}) == 60
