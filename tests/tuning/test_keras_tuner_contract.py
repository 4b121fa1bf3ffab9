"""keras-tuner's private and undocumented attributes that rankkit/tuning/_keras_tuner.py uses."""

import ast
import importlib.metadata
import inspect
import re
from pathlib import Path

import keras_tuner as kt
import pytest

import rankkit as rk
from rankkit.tuning import _keras_tuner

VERSION = importlib.metadata.version("keras-tuner")


def listed_attributes():
    """Class of keras-tuner to the attributes that the docstring of the adapter lists."""
    _, *parts = re.split(r"^Of `(?:\w+\.)*(\w+)`:$", _keras_tuner.__doc__ or "", flags=re.M)
    return {
        owner: re.findall(r"`(\w+)", " ".join(re.findall(r"^- ([^:]+):", text, flags=re.M)))
        for owner, text in zip(parts[::2], parts[1::2], strict=True)
    }


ATTRIBUTES = listed_attributes()
PRIVATE = {name for names in ATTRIBUTES.values() for name in names if name.startswith("_")}
MODULE = Path(inspect.getfile(_keras_tuner))


@pytest.fixture
def instances(tmp_path):
    objective = kt.Objective("val_loss", "min")
    oracle = kt.oracles.RandomSearchOracle(
        objective=objective, max_trials=_keras_tuner.PaddedTrials(9)
    )
    hypermodel = kt.HyperModel()
    hypermodel.build = lambda hp: hp.Float("x", 0.0, 1.0)  # pyright: ignore
    tuner = kt.Tuner(oracle, hypermodel, directory=tmp_path, project_name="search")
    return {
        "Oracle": oracle,
        "BayesianOptimizationOracle": kt.oracles.BayesianOptimizationOracle(objective=objective),
        "HyperbandOracle": kt.oracles.HyperbandOracle(objective=objective),
        "Tuner": tuner,
    }


@pytest.mark.parametrize(
    ("owner", "name"), [(owner, name) for owner, names in ATTRIBUTES.items() for name in names]
)
def test_keras_tuner_has_the_attribute(owner, name, instances):
    assert hasattr(instances[owner], name), f"keras-tuner {VERSION} has no {owner}.{name}"


def test_docstring_lists_all_private_attributes_of_the_adapter():
    used = {
        node.attr
        for node in ast.walk(ast.parse(MODULE.read_text()))
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)
    }
    assert used == PRIVATE


def test_only_the_adapter_uses_private_attributes():
    for path in Path(inspect.getfile(rk.tuning)).parent.glob("*.py"):
        if path != MODULE:
            assert PRIVATE & set(re.findall(r"\w+", path.read_text())) == set(), path.name


# --- Behaviour ---


def test_trial_ids_are_padded(instances):
    assert instances["Oracle"].create_trial("worker").trial_id == "0000"


def test_retry_queue_is_taken_from_its_end(instances):
    oracle = instances["Oracle"]
    trials = [oracle.create_trial(worker) for worker in "abc"]
    oracle._retry_queue.extend(trial.trial_id for trial in trials[:2])
    oracle.ongoing_trials = {}
    assert oracle.create_trial("d").trial_id == trials[1].trial_id


def test_end_trial_checks_failures_and_records_the_order(instances, monkeypatch):
    oracle, checked = instances["Oracle"], []
    monkeypatch.setattr(oracle, "_check_consecutive_failures", lambda: checked.append(True))
    trials = [oracle.create_trial(worker) for worker in "ab"]
    for trial in reversed(trials):
        trial.status = "FAILED"
        oracle.end_trial(trial)
    assert checked == [True, True]
    assert oracle.end_order == [trial.trial_id for trial in reversed(trials)]
    assert oracle.ongoing_trials == {}


def test_random_values_depend_on_the_seed_state(instances):
    oracle = instances["Oracle"]
    state = oracle._seed_state
    values = oracle._random_values()
    assert oracle._seed_state > state
    assert not oracle._duplicate(values)
    oracle._seed_state = state
    assert oracle._random_values() == values


def test_search_runs_trials_by_the_overridden_method(instances, monkeypatch):
    tuner, tried = instances["Tuner"], []

    def try_trial(trial):
        tried.append(trial.trial_id)
        trial.status = "FAILED"

    monkeypatch.setattr(tuner, "_try_run_and_update_trial", try_trial)
    with pytest.raises(RuntimeError, match="Number of consecutive failures exceeded"):
        tuner.search()
    assert tried == ["0000", "0001", "0002"]


def test_tuner_reloads_its_state_unless_deleted(instances, tmp_path, capsys):
    tuner = instances["Tuner"]
    tuner.save()

    def make():
        kt.Tuner(tuner.oracle, tuner.hypermodel, directory=tmp_path, project_name="search")
        return capsys.readouterr().out

    assert "Reloading Tuner" in make()
    _keras_tuner.delete_tuner_state(tmp_path / "search", "tuner0")
    assert make() == ""
