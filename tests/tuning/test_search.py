"""`search` with a hypermodel that trains nothing: results, resuming, failures, invalid input."""

import dataclasses
import errno
import functools
import json
from pathlib import Path

import keras_tuner as kt
import numpy as np
import pytest

import rankkit as rk
import tensorflow as tf
from rankkit.tuning.search import _check_objective

TUNERS = {
    "random": {},
    "bayesian": {"max_trials": 4, "space": {"tower_width": 4, "learning_rate": (0.01, 0.5)}},
    "grid": {"max_trials": 4},
    "hyperband": {"max_trials": 8, "epochs": 3},
}
TEXT = dict.fromkeys(["user_id", "item_id", "user_rating"], ["a"] * 20)


def facts(result):
    """All of a result except the seconds."""
    trials = [{k: v for k, v in row.items() if k != "seconds"} for row in result.trials]
    weights = [weight.tolist() for weight in result.model.get_weights()]
    return trials, result.hyperparameters, result.epochs, result.score, weights


# --- Results and resuming ---


@pytest.mark.parametrize(
    "tuner", ["random", *(pytest.param(t, marks=pytest.mark.slow) for t in list(TUNERS)[1:])]
)
def test_interrupted_search_resumes_with_the_same_result(tuner, run, interrupt_trials):
    run = functools.partial(run, tuner=tuner, **TUNERS[tuner])
    uninterrupted = run("uninterrupted")
    scores = [row["score"] for row in uninterrupted.trials]
    assert uninterrupted.score == min(scores)
    assert {row["status"] for row in uninterrupted.trials} == {"COMPLETED"}
    assert {type(score) for score in scores} == {float}
    started = interrupt_trials(2, 4)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run("interrupted")
    for _ in range(2):
        assert facts(run("interrupted")) == facts(uninterrupted)
        # Only the two interrupted trials are run twice, and a complete search is not run again.
        assert len(started) == len(scores) + 2


def test_seed_determines_the_search(run):
    searches = [run(f"{i}", max_trials=1, seed=seed) for i, seed in enumerate([0, 0, 7])]
    assert facts(searches[0]) == facts(searches[1])
    assert searches[0].hyperparameters != searches[2].hyperparameters


@pytest.mark.slow
def test_best_model_is_trained_for_the_epochs_of_the_best_trial(run):
    found = run(epochs=40, patience=2)
    best = min(found.trials, key=lambda row: row["score"])
    assert found.epochs == best["best_epoch"] == 6  # two more epochs without improvement
    assert found.hyperparameters == {
        name: best[name] for name in ("tower_width", "learning_rate", "batch_size")
    }
    [bias] = [weight for weight in found.model.get_weights() if weight.shape == (1,)]
    assert bias[0] == pytest.approx(6 * best["learning_rate"])
    untrained = run("again", epochs=40, patience=2, train_best=False)
    assert untrained.model is None
    assert facts(dataclasses.replace(untrained, model=found.model)) == facts(found)


def test_keras_tuner_reads_the_folder(run, tmp_path, make_stub):
    found = run()
    tuner = kt.RandomSearch(
        make_stub(),
        objective=kt.Objective("val_root_mean_squared_error", "min"),
        max_trials=3,
        directory=tmp_path / "search",
        project_name="search",
    )
    assert tuner.oracle.get_best_trials()[0].score == found.score
    [best] = tuner.get_best_models()
    assert best.feature_specs == found.model.feature_specs


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
@pytest.mark.slow
def test_more_trials_extend_a_search(tuner, run):
    settings = {**TUNERS[tuner], "tuner": tuner}
    few, more = (run(**{**settings, "max_trials": number}) for number in (2, 4))
    assert more.trials[:2] == few.trials
    assert [row["trial"] for row in more.trials] == ["0000", "0001", "0002", "0003"]
    with pytest.raises(ValueError, match="max_trials must be at least 4, the number of trials al"):
        run(**{**settings, "max_trials": 3})


@pytest.mark.slow
def test_executions_are_averaged(run):
    once = run("once", max_trials=1)
    twice = run("twice", max_trials=1, executions_per_trial=2)
    assert twice.score == pytest.approx(once.score + 0.0005)  # the second has the next seed


def test_numpy_numbers_are_accepted(run):
    kwargs = {"max_trials": np.int64(1), "epochs": np.int32(2), "seed": np.int64(7)}
    run(**kwargs, validation_fraction=np.float32(0.25))
    run(max_trials=1, epochs=2, seed=7, validation_fraction=0.25)  # the same search


def test_validation_rows_replace_a_random_part(run, rows, monkeypatch, stub_class):
    passed, original = [], stub_class.fit

    def fit(self, hp, model, x, *, validation_data=None, **kwargs):
        count = None if validation_data is None else len(validation_data["user_id"])
        passed.append((len(x["user_id"]), count))
        return original(self, hp, model, x, validation_data=validation_data, **kwargs)

    monkeypatch.setattr(stub_class, "fit", fit)
    first, last = ({name: each[part] for name, each in rows.items()}
                   for part in (slice(450), slice(450, None)))  # fmt: skip
    run(rows=first, validation_rows=last, max_trials=1)
    assert passed == [(450, 150), (600, None)]
    fewer = {name: each[1:] for name, each in last.items()}
    for other in (fewer, None):
        with pytest.raises(ValueError, match="a search with another validation"):
            run(rows=first, validation_rows=other, max_trials=1)


def test_data_frame_is_the_same_search_as_a_dict(run, rows):
    pandas = pytest.importorskip("pandas")
    run(rows=pandas.DataFrame(rows), max_trials=1)
    run(max_trials=1)


# --- Failures ---


def test_diverging_trial_is_reported_and_the_search_continues(run, capsys, tmp_path):
    space = {"tower_width": 8, "learning_rate": [1e30, 0.1]}
    found = run(space=space, max_trials=2, verbose=1)
    failed, good = sorted(found.trials, key=lambda row: row["status"], reverse=True)
    assert (failed["status"], failed["score"]) == ("FAILED", None)
    assert failed["message"] == "The loss was nan by step 1 of epoch 1."
    assert good["status"] == "COMPLETED"
    assert found.hyperparameters["learning_rate"] == 0.1
    assert f"failed: {failed['message']}" in capsys.readouterr().out
    [failure] = (tmp_path / "search").rglob("failure.txt")
    failure.write_bytes(b"\xff")  # the journal has the message, too
    assert run(space=space, max_trials=2).trials == found.trials


def test_all_trials_failed(run):
    space = {"tower_width": 8, "learning_rate": [1e30, 1e31]}
    with pytest.raises(RuntimeError, match="All 2 trials failed:\nThe loss was nan by step 1"):
        run(space=space, max_trials=2)


def test_best_model_that_diverges_on_all_rows(run, make_stub, stub_class):
    class Late(stub_class):
        def fit(self, hp, model, x, **kwargs):
            if kwargs.get("validation_data") is None:
                hp.values["learning_rate"] = 1e30
            return super().fit(hp, model, x, **kwargs)

    with pytest.raises(RuntimeError, match="best, but diverges when trained on all rows: The loss"):
        run(hypermodel=make_stub(Late), max_trials=1)


def test_objective_that_is_never_finite_raises(run, make_stub, stub_class):
    class NeverFinite(stub_class):
        def fit(self, *args, callbacks, **kwargs):
            callbacks[0].on_epoch_end = lambda epoch, logs: None  # no best epoch
            return super().fit(*args, callbacks=callbacks, **kwargs)

    with pytest.raises(RuntimeError, match="val_root_mean_squared_error was not finite in any"):
        run(hypermodel=make_stub(NeverFinite), max_trials=1)


@pytest.mark.slow
def test_failures_in_a_row_stop_the_search_until_the_cause_is_fixed(
    run, make_stub, stub_class, monkeypatch
):
    class Broken(stub_class):
        broken = True

        def fit(self, hp, model, *args, **kwargs):
            if self.broken:
                raise OSError("the disk\nis full")
            return super().fit(hp, model, *args, **kwargs)

    settings = {"hypermodel": make_stub(Broken), "max_trials": 5}
    settings["max_consecutive_failed_trials"] = 2
    text = "=2 failed trials.*failure was:\nOSError: the disk is full"
    with pytest.raises(RuntimeError, match=text):
        run(**settings)
    monkeypatch.setattr(Broken, "broken", False)
    found = run(**settings)  # the last failed trial is run again
    assert [row["status"] for row in found.trials] == ["FAILED", *["COMPLETED"] * 4]
    assert found.trials[0]["message"] == "OSError: the disk is full"


DISK_IS_FULL = "No space left on device"
IS_MISSING = "No such file or directory"


@pytest.mark.slow
def test_error_of_the_host_stops_the_search_and_fails_no_trial(run, monkeypatch, tmp_path):
    uninterrupted, folder = run("uninterrupted"), tmp_path / "full"
    save, saved, errors = rk.RankingModel.save_weights, [], []

    def save_or_fail(self, *args, **kwargs):
        saved.append(self)
        if errors and len(saved) > 1:
            raise errors.pop()
        return save(self, *args, **kwargs)

    monkeypatch.setattr(rk.RankingModel, "save_weights", save_or_fail)
    # The others that `host_error` knows: tests/utils/test_files.py.
    for error in (
        OSError(28, DISK_IS_FULL),
        tf.errors.PermissionDeniedError(None, None, "checkpoint; Permission denied"),
        FileNotFoundError(errno.ENOENT, IS_MISSING, f"{folder}/trial_0001/x"),
    ):
        errors.append(error)
        text = "Trial 0001 was interrupted by an error of this host.*run"
        with pytest.raises(RuntimeError, match=text):
            run("full")
    assert facts(run("full")) == facts(uninterrupted)


@pytest.mark.slow
def test_full_disk_outside_a_trial_stops_the_search(run, monkeypatch):
    uninterrupted = run("uninterrupted")
    save, saved = kt.engine.trial.Trial.save, []

    def fail_once(self, path):
        saved.append(path)
        if len(saved) == 4:
            raise tf.errors.ResourceExhaustedError(None, None, f"{path}; {DISK_IS_FULL}")
        save(self, path)

    monkeypatch.setattr(kt.engine.trial.Trial, "save", fail_once)
    message = "^The search in .*search was interrupted by .*: No space left on device. Completed"
    with pytest.raises(RuntimeError, match=message):
        run()
    assert facts(run()) == facts(uninterrupted)


def test_an_error_of_the_host_is_named_where_the_failure_of_a_trial_is_written(
    run, make_stub, stub_class, monkeypatch
):
    class Broken(stub_class):
        def fit(self, hp, *args, **kwargs):
            monkeypatch.setattr(Path, "write_text", is_full)
            raise ValueError("broken")

    def is_full(*args):
        raise OSError(errno.ENOSPC, DISK_IS_FULL)

    with pytest.raises(RuntimeError, match="Trial 0000 was interrupted by an error of this host"):
        run(hypermodel=make_stub(Broken))


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
        MemoryError("Unable to allocate 9 TiB"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        FileNotFoundError(errno.ENOENT, IS_MISSING, "vectors_of_width_8.npy"),
    ],
)
def test_memory_and_missing_files_of_a_trial_fail_the_trial_alone(
    run, make_stub, stub_class, error
):
    """A network that is too wide for the memory is a result, as in keras-tuner."""

    class Large(stub_class):
        def fit(self, hp, *args, **kwargs):
            if hp.values["tower_width"] == 8:
                raise error
            return super().fit(hp, *args, **kwargs)

    space = {"tower_width": [4, 8], "learning_rate": 0.1}
    trials = run(hypermodel=make_stub(Large, space=space), tuner="grid").trials
    failed = {trial["tower_width"]: trial["status"] for trial in trials}
    assert failed == {4: "COMPLETED", 8: "FAILED"}


# --- Damaged folders ---


@pytest.mark.slow
def test_lost_and_repeated_lines_of_the_journal_are_named(run, tmp_path, interrupt_trials):
    interrupt_trials(2)
    with pytest.raises(KeyboardInterrupt):
        run()
    found = run()
    journal = tmp_path / "search" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    kinds = [json.loads(line)["event"] for line in lines]
    assert kinds == ["begin", "end", "begin", "resume", *["begin", "end"] * 2, "complete"]
    message = r"Line \d+ of .*journal\.jsonl is damaged \(.*\)\. Restore.*overwrite=True"
    # A kill at another moment leaves these, with the same result.
    harmless = {("lost", 2), ("lost", 4), ("lost", 8), ("repeated", 3), ("repeated", 8)}
    for number in range(len(kinds)):
        lost = lines[:number] + lines[number + 1 :]
        repeated = lines[: number + 1] + lines[number:]
        for how, changed in (("lost", lost), ("repeated", repeated)):
            journal.write_text("".join(changed))
            if (how, number) in harmless:
                assert facts(run()) == facts(found)
            else:
                with pytest.raises(ValueError, match=message):
                    run()


def test_lost_end_of_the_journal_is_named(run, tmp_path):
    run(max_trials=2)
    path = tmp_path / "search" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for kept, trial in ((0, 0), (1, 1), (2, 1)):
        path.write_bytes(b"".join(lines[:kept]) + lines[kept][:9])  # an incomplete line at the end
        message = rf"Line {kept + 1} of .* \(the lines of trial 000{trial} are missing"
        with pytest.raises(ValueError, match=message):
            run(max_trials=2)
    path.unlink()
    with pytest.raises(
        ValueError, match=r"Line 1 of .*journal\.jsonl is damaged \(.*overwrite=True"
    ):
        run(max_trials=2)


def test_line_that_is_not_an_event_is_named(run, tmp_path):
    run(max_trials=1)
    journal = tmp_path / "search" / "journal.jsonl"
    lines = journal.read_text()
    end = {"event": "end", "trial": {}, "metrics": 3, "status": 3, "message": 3, "reached": 3}
    few = ("3", "{}", '{"event": "x"}', '{"event": "end", "trial": "0"}', "[", "[" * 200_000)
    for line in (*few, json.dumps(end)):
        journal.write_text(lines + line + "\n")
        with pytest.raises(ValueError, match=r"Line 4 of .*journal\.jsonl is damaged"):
            run(max_trials=1)


# --- Invalid input ---


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"max_trials": 0}, ValueError, "max_trials must be an integer of at least 1"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"seed": 2**31}, ValueError, "seed must be an integer from 0 to 2147482647"),
        ({"tuner": "baysian"}, ValueError, "Unknown tuner 'baysian'.*'bayesian'"),
        ({"tuner": "hyperband", "max_trials": 1}, ValueError, "max_trials must be at least"),
        ({"tuner": "grid", "max_trials": 1}, ValueError, "max_trials must be at least 4"),
        ({"objective": "val_rmse"}, ValueError, "Unknown objective 'val_rmse'. Known: 'val_loss'"),
        ({"objective": kt.Objective("val_auc", "max")}, ValueError, "Unknown objective 'val_auc'"),
        ({"objective": kt.Objective("val_loss", "auto")}, ValueError, "of known direction"),
        ({"validation_fraction": 0.0001}, ValueError, "validation_fraction must be a fraction th"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be a fraction that"),
        ({"validation_rows": {"user_id": ["a"]}}, ValueError, "Unknown column.* 'item_id'"),
        (
            {"validation_rows": dict.fromkeys(TEXT, ())},
            ValueError,
            "validation_rows must have at ",
        ),
        ({"validation_rows": 1}, TypeError, "validation_rows must be a dict of arrays"),
        ({"rows": {"user_id": ["a"]}}, ValueError, "Unknown column 'item_id'"),
        ({"rows": TEXT}, TypeError, "Label 'user_rating'"),
        ({"hypermodel": lambda hp: None}, TypeError, "rankkit.tuning.RankingHyperModel"),
    ],
)
def test_invalid_arguments(kwargs, error, words, run, tmp_path):
    with pytest.raises(error, match=words):
        run(**kwargs)
    assert not (tmp_path / "search").exists()  # nothing is written


LOGITS = tf.keras.losses.BinaryCrossentropy(from_logits=True)
CLICKS = {"label": "click", "loss": LOGITS}
CROSS_ENTROPY = "val_binary_crossentropy"
ACCURACY = tf.keras.metrics.BinaryAccuracy(threshold=0.0)
LISTS = {"loss": rk.losses.SoftmaxLoss(), "lists": {"list_size": 10}, "label": "click"}
HEADS = {
    "label": {"stars": "user_rating", "click": "click"},
    "head": {"stars": None, "click": None},
    "score": {"stars": 1.0},
    "loss": {"click": LOGITS},
    "loss_weights": "uncertainty",
}


def unit_difference(labels, scores):
    return tf.abs(labels - scores)


class OwnError(tf.keras.metrics.RootMeanSquaredError):
    """An error on the scale of logits, which only classes that update themselves may compute."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(y_true, y_pred, sample_weight)


@pytest.mark.parametrize(
    ("settings", "objective", "name", "direction"),
    [
        ({}, None, "val_root_mean_squared_error", "min"),
        ({"metrics": ["mae"]}, None, "val_loss", "min"),
        ({"metrics": ["mae"]}, "val_mae", "val_mae", "min"),
        ({"metrics": ["Poisson"]}, "val_poisson", "val_poisson", "min"),
        (CLICKS | {"metrics": [ACCURACY]}, "val_binary_accuracy", "val_binary_accuracy", "max"),
        (CLICKS | {"metrics": [OwnError("root_mean_squared_error")]}, None, "val_loss", "min"),
        (CLICKS | {"metrics": ["binary_crossentropy"]}, CROSS_ENTROPY, CROSS_ENTROPY, "min"),
        (CLICKS, "val_auc", "val_auc", "max"),
        (LISTS, None, "val_loss", "min"),
        (LISTS, "val_ndcg_at_10", "val_ndcg_at_10", "max"),
        (HEADS, None, "val_loss", "min"),
        (HEADS, "val_stars_root_mean_squared_error", "val_stars_root_mean_squared_error", "min"),
        (HEADS, "val_click_auc", "val_click_auc", "max"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lists")
def test_objective_follows_the_model(make_hypermodel, rows, settings, objective, name, direction):
    rows = {**rows, "click": (rows["user_rating"] > 3.5) * 1.0}
    found = _check_objective(objective, make_hypermodel(**settings), rows)
    assert (found.name, found.direction) == (name, direction)


@pytest.mark.parametrize("metric", [unit_difference, tf.keras.metrics.Mean("click_weight")])
def test_objective_of_unknown_direction(run, make_stub, tmp_path, metric):
    name = f"val_{getattr(metric, 'name', 'unit_difference')}"
    with pytest.raises(ValueError, match=rf'Objective\(.{name}., "max"\)'):
        run(hypermodel=make_stub(metrics=[metric]), objective=name)
    assert not (tmp_path / "search").exists()


def test_objective_can_be_maximized(run):
    found = run(objective=kt.Objective("val_root_mean_squared_error", "max"))
    assert found.score == max(row["score"] for row in found.trials)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"space": {"tower_width": [4, 16], "learning_rate": (0.01, 0.5)}}, "space"),
        ({"epochs": 3}, "settings ({'epochs': 2} there, {'epochs': 3} here)"),
        ({"tuner": "grid", "max_trials": 4}, "settings ({'tuner': 'random', 'max_trials': None}"),
    ],
)
def test_folder_of_another_search_is_refused(change, named, run):
    run(max_trials=1)
    with pytest.raises(ValueError, match="directory must be new or hold this search") as error:
        run(**{"max_trials": 1, **change})
    assert named in str(error.value)
    run(**{"max_trials": 1, **change}, overwrite=True)


def test_folder_of_other_rows_or_another_version_is_refused(run, rows, tmp_path):
    run(max_trials=1)
    other = {**rows, "user_rating": rows["user_rating"] + 1}
    with pytest.raises(ValueError, match=r"another data \(.*sha256"):
        run(max_trials=1, rows=other)
    path = tmp_path / "search" / "identity.json"
    fingerprint = json.loads(path.read_text())
    fingerprint["code"]["rankkit"] = "0.0.1"
    path.write_text(json.dumps(fingerprint))
    with pytest.raises(ValueError, match=r"another code \({'rankkit': '0.0.1'} there"):
        run(max_trials=1)


def test_folder_in_use_is_refused(run, make_stub, stub_class):
    class Nested(stub_class):
        def fit(self, *args, **kwargs):
            with pytest.raises(RuntimeError, match="in use by another process"):
                run(max_trials=1)
            return super().fit(*args, **kwargs)

    run(hypermodel=make_stub(Nested), max_trials=1)
