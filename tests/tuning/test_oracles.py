"""What an oracle is told that is out of the ordinary."""

import keras_tuner as kt
import pytest

from rankkit.tuning.journal import Journal, read_journal
from rankkit.tuning.progress import Progress
from rankkit.tuning.space import Space
from rankkit.tuning.tuners import make_oracle

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.fixture
def begin(tmp_path):
    """Begins a search in the journal of the test, or goes on with it."""

    def begin(max_consecutive_failed_trials=3):
        oracle = make_oracle(
            "random",
            Space(),
            objective=OBJECTIVE,
            max_trials=4,
            epochs=1,
            seed=1,
            max_consecutive_failed_trials=max_consecutive_failed_trials,
        )
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
    scores = [row["score"] for row in second.table()[:2]]
    assert scores == [1.0, 2.0]
    assert [row["best_epoch"] for row in second.table()[:2]] == [1, 1]
    third = begin()
    assert [row["score"] for row in third.table()[:2]] == scores
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
