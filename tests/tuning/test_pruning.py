"""Which trials end early."""

import json

import keras_tuner as kt
import pytest

import rankkit as rk
from rankkit.tuning.pruning import Pruning, rungs_of
from rankkit.tuning.trial_runs import TrialRuns

OBJECTIVE = kt.Objective("val_loss", "min")


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(40, [5, 10, 20]), (30, [4, 8, 15]), (10, [5]), (8, [4]), (7, [4]), (6, []), (1, [])],
)
def test_trials_are_judged_after_an_eighth_a_quarter_and_half(epochs, rungs):
    assert rungs_of(epochs) == rungs


def judged(reached, rung=4, running=(), objective=OBJECTIVE):
    """The status of the last trial, and what is said of it."""
    pruning = Pruning(objective)
    for number, values in enumerate(reached):
        pruning.begin(str(number))
        pruning.reached[str(number)] = dict(values)
    last = str(len(reached) - 1)
    value = pruning.reached[last].pop(rung)
    return pruning.judge(last, rung, value, set(running)), pruning.reasons.get(last)


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


def test_only_trials_that_came_so_far_count():
    reached = [{4: 1.0, 8: 0.5}, {4: 1.1, 8: 0.6}, {4: 3.0}, {4: 1.0, 8: 0.9}]
    assert judged(reached, 8)[0] == "RUNNING"  # two are no median to go by
    reached.insert(0, {4: 1.0, 8: 0.7})
    assert judged(reached, 8)[0] == "STOPPED"


def test_trials_after_it_do_not_count():
    pruning = Pruning(OBJECTIVE)
    for trial, value in (("0", 9.0), ("2", 1.0), ("3", 1.0), ("4", 1.0)):
        pruning.begin(trial)
        pruning.reached[trial] = {4: value}
    pruning.begin("1")
    assert pruning.judge("1", 4, 2.0, {"1"}) == "RUNNING"


def test_a_trial_waits_for_those_before_it_and_for_no_others():
    reached = [{4: 1.0}, {4: 2.0}, {}, {4: 5.0}, {4: 3.0}]
    assert judged(reached, running=("2", "4"))[0] == "IDLE"
    assert judged(reached, running=("3", "4"))[0] == "STOPPED"  # trial 2 ended before the rung


def test_a_trial_that_is_run_again_begins_anew():
    pruning = Pruning(OBJECTIVE)
    pruning.begin("0")
    pruning.judge("0", 4, 1.0, {"0"})
    pruning.begin("0")
    pruning.begin("1")
    assert pruning.judge("1", 4, 1.0, {"0", "1"}) == "IDLE"


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
            assert rungs == [4, 8]


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
