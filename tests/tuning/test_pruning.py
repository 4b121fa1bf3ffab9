"""Median stopping rule."""

import keras_tuner as kt
import pytest

from rankkit.tuning.journal import read_journal
from rankkit.tuning.pruning import MedianStopping, compute_rungs

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(40, [8, 16]), (30, [6, 12]), (16, [4, 7]), (10, [4]), (8, [4]), (7, []), (1, [])],
)
def test_rungs_are_at_20_and_40_percent_of_the_epochs(epochs, rungs):
    assert compute_rungs(epochs) == rungs


def judge(reached, rung=4, ended=None, objective=OBJECTIVE):
    """Returns the status of the last trial and the reason, if it is pruned."""
    pruning = MedianStopping(objective)
    for number, values in enumerate(reached):
        pruning.start(str(number))
        pruning.reached[str(number)] = dict(values)
    last = str(len(reached) - 1)
    value = pruning.reached[last].pop(rung)
    if ended is None:
        ended = {str(number): None for number in range(len(reached) - 1)}
    return pruning.judge(last, rung, value, ended), pruning.reasons.get(last)


@pytest.mark.parametrize(
    ("values", "objective", "status"),
    [
        ([1.0, 2.0, 3.0, 2.0], OBJECTIVE, "RUNNING"),  # at the median
        ([1.0, 1.1, 3.0], OBJECTIVE, "RUNNING"),  # two earlier trials are too few
        ([1.0, 2.0, 3.0, 2.1], kt.Objective("val_auc", "max"), "RUNNING"),
        ([1.0, 2.0, 3.0, 1.9], kt.Objective("val_auc", "max"), "STOPPED"),
    ],
)
def test_trial_worse_than_the_median_is_pruned(values, objective, status):
    assert judge([{4: value} for value in values], objective=objective)[0] == status


def test_pruned_trial_has_a_reason():
    assert judge([{4: 1.0}, {4: 2.0}, {4: 3.0}, {4: 2.1}]) == (
        "STOPPED",
        "pruned: 2.1000 after 4 epochs is worse than 2.0000, the median of 3 earlier trials",
    )


def test_trial_that_ended_before_the_rung_counts_with_its_best():
    reached = [{4: 1.0, 8: 0.5}, {4: 1.1, 8: 0.6}, {4: 3.0}, {4: 1.0, 8: 0.9}]
    assert judge(reached, 8)[0] == "RUNNING"  # the third failed
    for best, status in ((2.0, "STOPPED"), (0.55, "STOPPED")):
        assert judge(reached, 8, {"0": 0.4, "1": 0.5, "2": best})[0] == status
    reached.insert(0, {4: 2.5})
    bests = {"0": 2.4, "1": 0.4, "2": 0.5, "3": 2.9}
    assert judge(reached, 8, bests)[0] == "RUNNING"  # median of 0.5, 0.6, 2.4 and 2.9


def test_later_trials_do_not_count():
    pruning = MedianStopping(OBJECTIVE)
    for trial, value in (("0", 9.0), ("2", 1.0), ("3", 1.0), ("4", 1.0)):
        pruning.start(trial)
        pruning.reached[trial] = {4: value}
    pruning.start("1")
    ended: dict[str, float | None] = dict.fromkeys(["0", "2", "3", "4"])
    assert pruning.judge("1", 4, 2.0, ended) == "RUNNING"


def test_trial_waits_only_for_earlier_trials_that_are_running():
    reached = [{4: 1.0}, {4: 2.0}, {}, {4: 5.0}, {4: 3.0}]
    assert judge(reached, ended={"0": 1.0, "1": 2.0, "3": 5.0})[0] == "IDLE"
    # Trial 2 ended before the rung; trial 3 is at a later one.
    assert judge(reached, ended={"0": 1.0, "1": 2.0, "2": None})[0] == "STOPPED"


def test_trial_that_is_run_again_is_reset():
    pruning = MedianStopping(OBJECTIVE)
    pruning.start("0")
    pruning.judge("0", 4, 1.0, {})
    pruning.start("0")
    pruning.start("1")
    assert pruning.judge("1", 4, 1.0, {}) == "IDLE"


# --- In a search ---


@pytest.fixture
def search(run, tmp_path):
    """Runs a search; returns its trials without times and the rungs that each reached."""

    def search(directory, **kwargs):
        space = {"tower_width": 4, "learning_rate": (1e-4, 0.5)}
        settings = {"epochs": 16, "patience": 16, "max_trials": 7, "space": space, **kwargs}
        found = run(directory, **settings)
        events = read_journal(tmp_path / directory / "journal.jsonl")
        trials = [{k: v for k, v in row.items() if k != "seconds"} for row in found.trials]
        ends = [event for event in events if event["event"] == "end"]
        return trials, [[rung for rung, _ in event["reached"]] for event in ends]

    return search


def test_search_prunes_trials(search, interrupt_trials):
    pruned, reached = search("pruned")
    unpruned, not_judged = search("unpruned", prune=False)
    assert sum(bool(row["message"]) for row in pruned) >= 2
    for row, rungs, full in zip(pruned, reached, unpruned, strict=True):
        if row["message"]:
            assert row["status"] == "COMPLETED"
            assert row["message"].startswith("pruned: ")
            assert row["best_epoch"] <= rungs[-1] < 16
            assert row["score"] >= full["score"]
        else:
            assert rungs == [4, 7]
            assert row == full
    assert not any(not_judged)
    # It is the first of several executions that is judged.
    twice, reached_twice = search("twice", executions_per_trial=2)
    assert reached_twice == reached
    for row, other in zip(twice, pruned, strict=True):
        assert row["message"] == other["message"]
        assert (row["score"] == other["score"]) == bool(row["message"])
    # A resumed search prunes the same trials.
    interrupt_trials(6)
    with pytest.raises(KeyboardInterrupt):
        search("interrupted")
    assert search("interrupted") == (pruned, reached)


def test_hyperband_does_not_prune(search):
    trials, reached = search("hyperband", tuner="hyperband", max_trials=8, epochs=8)
    assert not any(row["message"] for row in trials)
    assert not any(reached)
