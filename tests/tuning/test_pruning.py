"""Which trials end early."""

import json

import keras_tuner as kt
import pytest

import rankkit as rk
from rankkit.tuning.pruning import Pruning, rungs_of
from rankkit.tuning.trial import TrialRuns

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(40, [8, 16]), (30, [6, 12]), (16, [4, 7]), (10, [4]), (8, [4]), (7, []), (1, [])],
)
def test_trials_are_judged_after_a_fifth_and_two_fifths(epochs, rungs):
    assert rungs_of(epochs) == rungs


def judged(reached, rung=4, ended=None, objective=OBJECTIVE):
    """The status of the last trial, and what is said of it."""
    pruning = Pruning(objective)
    for number, values in enumerate(reached):
        pruning.begin(str(number))
        pruning.reached[str(number)] = dict(values)
    last = str(len(reached) - 1)
    value = pruning.reached[last].pop(rung)
    if ended is None:
        ended = {str(number): None for number in range(len(reached) - 1)}
    return pruning.judge(last, rung, value, ended), pruning.reasons.get(last)


@pytest.mark.parametrize(("value", "status"), [(2.0, "RUNNING"), (2.1, "STOPPED")])
def test_a_trial_behind_the_median_ends(value, status):
    found, reason = judged([{4: 1.0}, {4: 2.0}, {4: 3.0}, {4: value}])
    assert found == status
    assert bool(reason) == (status == "STOPPED")
    assert not reason or reason == (
        "2.1000 after 4 epochs is behind 2.0000, the median of 3 trials before it"
    )


def test_more_may_be_better():
    more = kt.Objective("val_auc", "max")
    assert judged([{4: 1.0}, {4: 2.0}, {4: 3.0}, {4: 2.1}], objective=more)[0] == "RUNNING"
    assert judged([{4: 1.0}, {4: 2.0}, {4: 3.0}, {4: 1.9}], objective=more)[0] == "STOPPED"


def test_two_trials_are_no_median_to_go_by():
    assert judged([{4: 1.0}, {4: 1.1}, {4: 3.0}])[0] == "RUNNING"


def test_a_trial_that_ended_before_counts_with_its_best():
    reached = [{4: 1.0, 8: 0.5}, {4: 1.1, 8: 0.6}, {4: 3.0}, {4: 1.0, 8: 0.9}]
    assert judged(reached, 8)[0] == "RUNNING"  # the third failed
    for best, status in ((2.0, "STOPPED"), (0.55, "STOPPED")):
        assert judged(reached, 8, {"0": 0.4, "1": 0.5, "2": best})[0] == status
    reached.insert(0, {4: 2.5})
    bests = {"0": 2.4, "1": 0.4, "2": 0.5, "3": 2.9}
    assert judged(reached, 8, bests)[0] == "RUNNING"  # median of 0.5, 0.6, 2.4 and 2.9


def test_trials_after_it_do_not_count():
    pruning = Pruning(OBJECTIVE)
    for trial, value in (("0", 9.0), ("2", 1.0), ("3", 1.0), ("4", 1.0)):
        pruning.begin(trial)
        pruning.reached[trial] = {4: value}
    pruning.begin("1")
    ended: dict[str, float | None] = dict.fromkeys(["0", "2", "3", "4"])
    assert pruning.judge("1", 4, 2.0, ended) == "RUNNING"


def test_a_trial_waits_for_those_before_it_and_for_no_others():
    reached = [{4: 1.0}, {4: 2.0}, {}, {4: 5.0}, {4: 3.0}]
    assert judged(reached, ended={"0": 1.0, "1": 2.0, "3": 5.0})[0] == "IDLE"
    # Trial 2 ended before the rung; trial 3 is at a later one.
    assert judged(reached, ended={"0": 1.0, "1": 2.0, "2": None})[0] == "STOPPED"


def test_a_trial_that_is_run_again_begins_anew():
    pruning = Pruning(OBJECTIVE)
    pruning.begin("0")
    pruning.judge("0", 4, 1.0, {})
    pruning.begin("0")
    pruning.begin("1")
    assert pruning.judge("1", 4, 1.0, {}) == "IDLE"


SPACE = {"tower_width": 4, "learning_rate": (1e-4, 0.5), "batch_size": 64}


@pytest.fixture(scope="module")
def search(rows, make_hypermodel, tmp_path_factory):
    """Runs a search; gives its trials without their times, and what each had reached."""
    parent = tmp_path_factory.mktemp("pruning")

    def search(directory, **kwargs):
        settings = {"epochs": 16, "patience": 16, "max_trials": 7, "verbose": 0, **kwargs}
        folder = parent / directory
        found = rk.tuning.search(make_hypermodel(SPACE), rows, directory=folder, **settings)
        lines = (folder / "journal.jsonl").read_text().splitlines()
        ends = [event for event in map(json.loads, lines) if event["event"] == "end"]
        trials = [{k: v for k, v in row.items() if k != "seconds"} for row in found.trials]
        return trials, [[rung for rung, _ in event["reached"]] for event in ends]

    return search


@pytest.fixture(scope="module")
def straight(search):
    return search("straight")


def test_a_search_ends_trials_that_are_behind(search, straight):
    trials, reached = straight
    whole, unjudged = search("whole", prune=False)
    assert sum(bool(row["message"]) for row in trials) >= 2
    assert {row["status"] for row in trials} == {"COMPLETED"}
    assert unjudged == [[]] * 7
    for row, other, rungs in zip(trials, whole, reached, strict=True):
        assert other["message"] is None
        assert row["learning_rate"] == other["learning_rate"]
        if row["message"]:
            assert f"after {rungs[-1]} epochs is behind" in row["message"]
            assert row["best_epoch"] <= rungs[-1]
        else:
            assert row["score"] == other["score"]
            assert rungs == [4, 7]


def test_it_ends_the_same_trials_after_an_interruption(search, straight, monkeypatch):
    original = TrialRuns.run_trial

    def interrupted(self, trial, *args):
        if trial.trial_id == "0005":
            raise KeyboardInterrupt
        return original(self, trial, *args)

    with monkeypatch.context() as patch:
        patch.setattr(TrialRuns, "run_trial", interrupted)
        with pytest.raises(KeyboardInterrupt):
            search("stopped")
    assert search("stopped") == straight


def test_of_several_executions_the_first_decides(search, straight):
    twice, reached = search("twice", executions_per_trial=2)
    assert reached == straight[1]
    for row, other in zip(twice, straight[0], strict=True):
        assert row["message"] == other["message"]
        assert (row["score"] == other["score"]) == bool(row["message"])


def test_hyperband_has_its_own_rule(search):
    trials, reached = search("hyperband", tuner="hyperband", max_trials=8, epochs=8)
    assert not any(row["message"] for row in trials)
    assert not any(reached)
