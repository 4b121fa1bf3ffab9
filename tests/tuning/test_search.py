"""`search` from end to end."""

import json

import pickle

import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.space import LEARNING_RATES

TUNERS = {
    "random": {},
    "bayesian": {"max_trials": 5},
    "grid": {"max_trials": 4},
    "hyperband": {"max_trials": 8, "epochs": 3},
}


def facts(result):
    """What is the same whenever a search is run."""
    timeless = [{k: v for k, v in row.items() if k != "seconds"} for row in result.trials]
    weights = [weight.tolist() for weight in result.model.get_weights()]
    return timeless, result.hyperparameters, result.epochs, result.score, weights


def stop_in_trials(monkeypatch, *numbers):
    """Interrupts the process at the start of these trials, counted from 1."""
    from rankkit.tuning.trial import TrialRuns

    begun, original = [], TrialRuns.run_trial

    def run_trial(self, trial, *args):
        begun.append(trial.trial_id)
        if len(begun) in numbers:
            raise KeyboardInterrupt
        return original(self, trial, *args)

    monkeypatch.setattr(TrialRuns, "run_trial", run_trial)
    return begun


@pytest.mark.parametrize("tuner", TUNERS)
def test_each_tuner_finds_the_same_again_and_after_interruptions(tuner, run, monkeypatch):
    straight = run("straight", tuner=tuner, **TUNERS[tuner])
    scores = [row["score"] for row in straight.trials]
    assert straight.score == min(scores)
    assert {row["status"] for row in straight.trials} == {"COMPLETED"}
    assert {type(score) for score in scores} == {float}
    begun = stop_in_trials(monkeypatch, 2, 4)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run("stopped", tuner=tuner, **TUNERS[tuner])
    resumed = run("stopped", tuner=tuner, **TUNERS[tuner])
    assert facts(resumed) == facts(straight)
    # Only what was interrupted is run twice.
    assert len(begun) == len(straight.trials) + 2
    # And what is finished is not run at all.
    assert facts(run("stopped", tuner=tuner, **TUNERS[tuner])) == facts(straight)
    assert len(begun) == len(straight.trials) + 2


def test_another_seed_gives_another_search(run):
    assert facts(run("one", max_trials=1)) != facts(run("other", max_trials=1, seed=7))
    assert run("zero", max_trials=1, seed=0).trials == run("zero", max_trials=1, seed=0).trials


def test_the_winner_is_the_model_trained_on_all_rows_for_its_best_epochs(
    run, rows, make_hypermodel
):
    found = run(epochs=4, max_trials=2)
    best = min(found.trials, key=lambda row: row["score"])
    assert found.epochs == best["best_epoch"]
    assert found.hyperparameters == {
        name: best[name] for name in ("tower_width", "learning_rate", "batch_size")
    }
    hypermodel = make_hypermodel()
    hp = kt.HyperParameters()
    for name, value in found.hyperparameters.items():
        hp.Fixed(name, value)
    tf.keras.utils.set_random_seed(42)
    model = hypermodel.build(hp)
    with model.several_steps(3):
        model.fit(
            rk.data.batches(rows, 256, shuffle=True, seed=42),
            epochs=found.epochs,
            callbacks=[rk.WeightAveraging(1 - 1 / 3)],
            verbose=0,
        )
    for ours, expected in zip(found.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_score_is_that_of_rows_that_were_not_trained_on(run, rows):
    found = run(epochs=3, max_trials=1, validation_fraction=0.25)
    train, validation = rk.data.random_split(rows, test_fraction=0.25, seed=42)
    hypermodel_model = found.model  # of the same architecture
    tf.keras.utils.set_random_seed(42)
    network = tf.keras.models.clone_model(hypermodel_model.network)
    model = rk.RankingModel(network, label="user_rating")
    model.compile(tf.keras.optimizers.Adagrad(found.hyperparameters["learning_rate"]))
    history = model.fit(
        rk.data.batches(train, 256, shuffle=True, seed=42),
        validation_data=rk.data.batches(validation, 1000),
        epochs=3,
        callbacks=[rk.WeightAveraging(1 / 2)],
        verbose=0,
    ).history["val_root_mean_squared_error"]
    assert found.score == pytest.approx(min(history), rel=0.02)
    assert len(validation["user_id"]) == 150


def test_the_best_epoch_counts_not_the_last(run):
    # At this rate the first epochs are best, and patience ends the trial.
    space = {"tower_width": 8, "learning_rate": 0.5, "optimizer": "adam", "batch_size": 32}
    found = run(space=space, max_trials=1, epochs=40, patience=2)
    [row] = found.trials
    events = (row["best_epoch"], found.epochs)
    assert events[0] == events[1] < 30


def test_keras_tuner_can_read_the_folder(run, tmp_path, make_hypermodel):
    found = run()
    tuner = kt.RandomSearch(
        make_hypermodel(),
        objective=kt.Objective("val_root_mean_squared_error", "min"),
        max_trials=3,
        directory=tmp_path / "search",
        project_name="search",
    )
    assert tuner.oracle.get_best_trials()[0].score == found.score
    [best] = tuner.get_best_models()
    assert best.feature_specs == found.model.feature_specs


def test_more_trials_go_on_from_the_first_ones(run):
    few = run(max_trials=2)
    more = run(max_trials=4)
    assert more.trials[:2] == few.trials
    assert [row["trial"] for row in more.trials] == ["0000", "0001", "0002", "0003"]
    with pytest.raises(ValueError, match="max_trials must be at least 4: the directory has"):
        run(max_trials=3)


def test_a_bayesian_search_goes_on_too(run):
    few = run(tuner="bayesian", max_trials=2)
    assert run(tuner="bayesian", max_trials=6).trials[:2] == few.trials


def test_executions_are_averaged(run):
    twice = run("twice", max_trials=1, executions_per_trial=2)
    one, other = run("one", max_trials=1), run("other", max_trials=1)
    assert one.score == other.score
    assert twice.score != one.score


def test_a_small_space_is_searched_whole(run):
    space = {"tower_width": [4, 8], "learning_rate": 0.1}
    assert sorted(row["tower_width"] for row in run(space=space, max_trials=9).trials) == [4, 8]


def test_a_bayesian_search_tries_nothing_twice(run):
    space = {"tower_width": [2, 4, 8, 16], "learning_rate": 0.1}
    trials = run(space=space, tuner="bayesian", max_trials=9).trials
    assert sorted(row["tower_width"] for row in trials) == [2, 4, 8, 16]


def test_numbers_may_be_numpys(run):
    kwargs = {"max_trials": np.int64(1), "epochs": np.int32(2), "seed": np.int64(7)}
    run(**kwargs, validation_fraction=np.float32(0.25))
    run(max_trials=1, epochs=2, seed=7, validation_fraction=0.25)  # the same search


def test_a_pandas_frame_is_searched_alike(run, rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows)
    assert run("frame", rows=frame, max_trials=1).score == run("dict", max_trials=1).score


# --- Failures ---


def test_a_diverging_trial_says_so_and_the_search_goes_on(run, capsys):
    space = {"tower_width": 8, "learning_rate": [1e30, 0.1], "optimizer": "sgd", "batch_size": 16}
    found = run(space=space, max_trials=2, verbose=1)
    failed, good = sorted(found.trials, key=lambda row: row["status"], reverse=True)
    assert (failed["status"], failed["score"]) == ("FAILED", None)
    assert failed["message"].startswith("The loss was nan by step 16 of epoch 1")
    assert good["status"] == "COMPLETED"
    assert found.hyperparameters["learning_rate"] == 0.1
    assert f"failed: {failed['message']}" in capsys.readouterr().out


def test_a_winner_that_diverges_on_all_rows_is_told(run, rows, make_hypermodel, monkeypatch):
    class Late(rk.tuning.RankingHyperModel):
        def fit(self, hp, model, x, **kwargs):
            if kwargs.get("validation_data") is None:
                model.optimizer.learning_rate = 1e30
            return super().fit(hp, model, x, **kwargs)

    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 2)}
    space = {"optimizer": "sgd", "learning_rate": 0.01, "tower_width": 8, "batch_size": 64}
    with pytest.raises(RuntimeError, match="is the best, and diverges on all rows: The loss was"):
        run(hypermodel=Late(features, label="user_rating", space=space), max_trials=1)


def test_an_objective_that_is_never_a_number_is_told(run, make_hypermodel):
    def nowhere(true, predicted):
        return tf.reduce_mean(predicted) * np.nan

    hypermodel = make_hypermodel(metrics=[tf.keras.metrics.MeanMetricWrapper(nowhere, "nowhere")])
    with pytest.raises(RuntimeError, match="No epoch had a finite val_nowhere"):
        run(hypermodel=hypermodel, max_trials=1, objective=kt.Objective("val_nowhere", "min"))


def test_an_error_before_the_first_step_is_told(run, make_hypermodel):
    class NoStart(rk.tuning.RankingHyperModel):
        def fit(self, hp, model, *args, **kwargs):
            raise KeyError("gone")

    features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    with pytest.raises(RuntimeError, match="=1: so many.*failed by\nKeyError: 'gone'"):
        run(hypermodel=NoStart(features, label="user_rating"), max_consecutive_failed_trials=1)


class Broken(rk.tuning.RankingHyperModel):
    broken = True

    def fit(self, hp, model, *args, **kwargs):
        if self.broken:
            raise OSError("the disk\nis full")
        return super().fit(hp, model, *args, **kwargs)


def test_failures_in_a_row_end_the_search_with_the_reason(run, make_hypermodel, monkeypatch):
    features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    broken = Broken(features, label="user_rating")
    with pytest.raises(RuntimeError, match="=2: so many.*failed by\nOSError: the disk is full"):
        run(hypermodel=broken, max_consecutive_failed_trials=2, max_trials=5)
    # Once that is mended, the search goes on: the last of them is run again.
    monkeypatch.setattr(Broken, "broken", False)
    found = run(hypermodel=broken, max_consecutive_failed_trials=2, max_trials=5)
    statuses = [row["status"] for row in found.trials]
    assert statuses == ["FAILED", *["COMPLETED"] * 4]
    assert found.trials[0]["message"] == "OSError: the disk is full"


def test_no_completed_trial_is_an_error(run):
    space = {"tower_width": 8, "learning_rate": [1e30, 1e31], "optimizer": "sgd"}
    with pytest.raises(RuntimeError, match="None of 2 trials was completed: .*loss was (nan|inf)"):
        run(space=space, max_trials=2)


# --- Bad input ---


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"max_trials": 0}, ValueError, "max_trials must be a whole number of at least 1"),
        ({"epochs": 1.5}, ValueError, "epochs must be"),
        ({"workers": True}, ValueError, "workers must be"),
        ({"seed": -1}, ValueError, "seed must be"),
        ({"tuner": "baysian"}, ValueError, "Unknown tuner 'baysian'.*'bayesian'"),
        ({"tuner": "hyperband", "max_trials": 1}, ValueError, "max_trials must be at least"),
        ({"tuner": "grid", "max_trials": 1}, ValueError, "max_trials must be at least 4"),
        ({"objective": "val_rmse"}, ValueError, "Unknown objective 'val_rmse'. Known: 'val_loss'"),
        ({"objective": "loss"}, ValueError, "Unknown objective 'loss'"),
        ({"objective": kt.Objective("val_auc", "max")}, ValueError, "Unknown objective 'val_auc'"),
        ({"validation_fraction": 0.0001}, ValueError, "validation_fraction must be a share that"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction must be a share that"),
        ({"objective": kt.Objective("val_loss", "auto")}, ValueError, "whose direction is known"),
        ({"chief_timeout": "soon"}, TypeError, "chief_timeout must be a number of seconds"),
        ({"verbose": "x"}, ValueError, "verbose must be"),
        ({"validation_fraction": "0.1"}, TypeError, "validation_fraction must be a number"),
        ({"rows": {"user_id": ["a"]}}, ValueError, "Unknown column 'item_id'"),
        ({"rows": [1, 2]}, TypeError, "a dict of arrays"),
        ({"hypermodel": lambda hp: None}, TypeError, "rankkit.tuning.RankingHyperModel"),
    ],
)
def test_what_cannot_be_searched_is_refused(kwargs, error, words, run, tmp_path):
    with pytest.raises(error, match=words):
        run(**kwargs)
    assert not (tmp_path / "search").exists()


def test_a_label_that_is_no_number_is_refused_before_any_trial(run, rows, tmp_path):
    with pytest.raises((TypeError, ValueError), match="label 'user_rating'"):
        run(rows={**rows, "user_rating": rows["user_id"]})
    assert not (tmp_path / "search").exists()


def test_an_objective_that_is_better_when_higher(run, make_hypermodel):
    hypermodel = make_hypermodel(metrics=["root_mean_squared_error", "cosine_similarity"])
    with pytest.raises(ValueError, match=r'Objective\(.val_cosine_similarity., "max"\)'):
        run(hypermodel=hypermodel, objective="val_cosine_similarity")
    objective = kt.Objective("val_cosine_similarity", "max")
    found = run(hypermodel=hypermodel, objective=objective)
    assert found.score == max(row["score"] for row in found.trials)


def test_metrics_by_name_are_not_numbered(run, make_hypermodel, rows):
    clicks = {**rows, "user_rating": (rows["user_rating"] > 3).astype(np.float32)}
    tf.keras.metrics.AUC()  # would be auc_1 from here on
    for directory in ("one", "other"):
        hypermodel = make_hypermodel(metrics=["auc"])
        objective = kt.Objective("val_auc", "max")
        found = run(directory, hypermodel=hypermodel, rows=clicks, objective=objective)
        assert 0 <= found.score <= 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"space": {"tower_width": [4, 16], "learning_rate": (0.01, 0.5)}}, "space"),
        ({"epochs": 3}, "settings: {'epochs': 2} there, {'epochs': 3} here"),
        ({"tuner": "bayesian"}, "tuner"),
    ],
)
def test_the_folder_of_another_search_is_refused(change, named, run, monkeypatch):
    run(max_trials=1)
    with pytest.raises(ValueError, match="directory must be new or hold this very search") as error:
        run(**{"max_trials": 1, **change})
    assert named in str(error.value)
    run(**{"max_trials": 1, **change}, overwrite=True)


def test_the_folder_of_other_rows_code_or_version_is_refused(run, rows, tmp_path):
    run(max_trials=1)
    other = {**rows, "user_rating": rows["user_rating"] + 1}
    with pytest.raises(ValueError, match=r"another data: .*sha256"):
        run(max_trials=1, rows=other)
    path = tmp_path / "search" / "identity.json"
    identity = json.loads(path.read_text())
    identity["code"]["rankkit"] = "0.0.1"
    path.write_text(json.dumps(identity))
    with pytest.raises(ValueError, match=r"another code: {'rankkit': '0.0.1'} there"):
        run(max_trials=1)


def test_learning_rates_are_of_optimizers_that_there_are():
    for name in LEARNING_RATES:
        tf.keras.optimizers.get(name)


@pytest.mark.filterwarnings("ignore:Lists of one item")
def test_a_loss_over_lists_is_searched_too(run, make_hypermodel, rows):
    stars = np.clip(rows["user_rating"].round(), 0, 5)
    hypermodel = make_hypermodel(
        space={"tower_width": [4, 8], "learning_rate": (0.01, 0.5)},
        loss=rk.losses.SoftmaxLoss(),
        lists={"list_size": 10, "overflow": "split"},
    )
    objective = kt.Objective("val_ndcg_at_10", "max")
    settings = {
        "hypermodel": hypermodel,
        "objective": objective,
        "rows": {**rows, "user_rating": stars},
    }
    found = run("lists", epochs=3, **settings)
    assert found.score == max(row["score"] for row in found.trials)
    assert 0 < found.score <= 1
    again = run("again", epochs=3, max_trials=1, **settings)
    assert again.trials[0]["score"] == found.trials[0]["score"]


def test_several_heads_are_searched_and_the_winner_has_them_all(run, rows):
    rows = {**rows, "click": (rows["user_rating"] > 3.5) * 1.0}
    rows["click"][:40] = np.nan  # not known of these
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4) for name in names}
    settings = {
        "hypermodel": rk.tuning.RankingHyperModel(
            features,
            label={"rating": "user_rating", "click": "click"},
            space={"tower_width": [4, 8], "learning_rate": (0.1, 0.5), "batch_size": 32},
            head={"rating": None, "click": rk.layers.DenseRatingHead()},
            score={"rating": 1.0, "click": 0.5},
            loss={"click": tf.keras.losses.BinaryCrossentropy(from_logits=True)},
            metrics={"click": [tf.keras.metrics.AUC(from_logits=True, name="auc")]},
            loss_weights="uncertainty",
        ),
        "objective": kt.Objective("val_click_auc", "max"),
        "rows": rows,
    }
    found = run("heads", epochs=3, **settings)
    assert found.score == max(row["score"] for row in found.trials) > 0.5
    assert [row["status"] for row in found.trials] == ["COMPLETED"] * len(found.trials)
    width = found.hyperparameters["tower_width"]
    heads = [each for each in found.model.network.layers if hasattr(each, "hidden_units")]
    assert [head.hidden_units[0] for head in heads] == [width, width]
    outputs = found.model({name: rows[name][:5] for name in names})
    combined = outputs["rating"] + 0.5 * outputs["click"]
    np.testing.assert_allclose(outputs["score"], combined, rtol=1e-5)
    again = run("again", epochs=3, max_trials=1, **settings)
    assert again.trials[0]["score"] == found.trials[0]["score"]


def test_heads_that_make_no_score_are_refused(rows):
    features = {"user_id": rk.layers.IdEmbedding(["7"], 4)}
    label = {"rating": "user_rating"}
    with pytest.raises(ValueError, match="score must be what candidates are ranked by"):
        rk.tuning.RankingHyperModel(features, label=label, head={"rating": None})
    with pytest.raises(TypeError, match="rating must be a tf.keras layer"):
        rk.tuning.RankingHyperModel(
            features, label=label, head={"rating": "tower"}, score={"rating": 1.0}
        )


@pytest.fixture
def clicks(rows):
    liked = rows["user_rating"] > 3.5
    return {name: rows[name][liked] for name in ("user_id", "item_id", "user_rating")}


@pytest.mark.parametrize("lists", [False, True])
def test_clicks_are_searched_beside_drawn_negatives(run, clicks, lists):
    names = ("user_id", "item_id")
    features = {name: rk.layers.IdEmbedding(rk.data.vocabulary(clicks[name]), 4) for name in names}
    logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    space = {"tower_width": [4, 8], "learning_rate": (0.1, 0.5), "batch_size": 32}
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label="click",
        space=space,
        loss=rk.losses.SoftmaxLoss() if lists else logits,
        negatives={"item": "item_id", "num_negatives": 2, "lists": lists},
    )
    assert hypermodel.columns == ["user_id", "item_id"]
    settings = {"hypermodel": hypermodel, "rows": clicks, "objective": "val_loss"}
    found = run("clicks", epochs=4, **settings)
    assert [row["status"] for row in found.trials] == ["COMPLETED"] * len(found.trials)
    assert found.score == min(row["score"] for row in found.trials)
    assert 0 < found.score < 5
    again = run("again", epochs=4, max_trials=1, **settings)
    assert again.trials[0]["score"] == found.trials[0]["score"]


def test_negatives_of_validation_rows_stay_the_same_and_are_no_clicks(clicks):
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(clicks["user_id"]), 4)}
    labels = {"click": "click", "rating": "user_rating"}
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label=labels,
        head=dict.fromkeys(labels),
        score={"click": 1.0},
        negatives={"item": "item_id", "outcomes": ["user_rating"]},
    )
    assert set(hypermodel.columns) == {"user_id", "item_id", "user_rating"}
    known, rest = rk.data.random_split(clicks, test_fraction=0.3, seed=1)
    batches = hypermodel.batching.to_validate(rest, known)
    passes = [
        [
            each
            for batch in batches
            for each in zip(
                *(batch[name].numpy() for name in ("user_id", "item_id", "click")), strict=True
            )
        ]
        for _ in range(2)
    ]
    assert passes[0] == passes[1]
    pairs = set(zip(clicks["user_id"], clicks["item_id"], strict=True))
    drawn = {(user.decode(), item.decode()) for user, item, click in passes[0] if not click}
    assert drawn
    assert not drawn & pairs
    [batch, *_] = batches
    np.testing.assert_array_equal(np.isnan(batch["user_rating"]), batch["click"] == 0)


def test_clicks_and_lists_are_one_or_the_other():
    features = {"user_id": rk.layers.IdEmbedding(["7"], 4)}
    with pytest.raises(ValueError, match="lists must be None beside negatives"):
        rk.tuning.RankingHyperModel(
            features, label="click", lists={}, negatives={"item": "item_id"}
        )
    with pytest.raises(ValueError, match="Missing argument of negatives 'item'"):
        rk.tuning.RankingHyperModel(features, label="click", negatives={"num_negatives": 2})


def test_what_a_loss_cannot_read_is_told_before_the_search(run, rows):
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 4)}
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label="user_rating",
        head=rk.layers.OrdinalHead((1, 2)),
        loss=rk.losses.OrdinalLoss((1, 2)),
        space={"tower_width": 4, "learning_rate": 0.1, "dropout_rate": (0.0, 0.5)},
    )
    with pytest.raises(ValueError, match=r"^Labels must be steps of the loss, \(1.0, 2.0\)"):
        run(hypermodel=hypermodel)


def test_the_tower_of_an_ordinal_head_is_searched(run, rows):
    steps = (1.0, 2.0, 3.0, 4.0, 5.0)
    rows = {**rows, "user_rating": np.clip(rows["user_rating"].round(), 1, 5)}
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 4)}
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label="user_rating",
        head=rk.layers.OrdinalHead(steps),
        loss=rk.losses.OrdinalLoss(steps),
        space={"tower_width": [4, 8], "learning_rate": 0.1, "dropout_rate": [0.25, 0.5]},
    )
    found = run(hypermodel=hypermodel, rows=rows, epochs=2)
    [head] = [each for each in found.model.network.layers if hasattr(each, "steps")]
    config = head.get_config()
    assert config["dropout_rate"] == found.hyperparameters["dropout_rate"]
    assert config["hidden_units"][0] == found.hyperparameters["tower_width"]


def test_shared_experts_are_a_pattern_too(run, rows):
    rows = {**rows, "click": (rows["user_rating"] > 3.5) * 1.0}
    features = {"user_id": rk.layers.IdEmbedding(rk.data.vocabulary(rows["user_id"]), 4)}
    labels = {"rating": "user_rating", "click": "click"}
    auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label=labels,
        head=dict.fromkeys(labels),
        interaction=rk.layers.MultiGateMixtureOfExperts(list(labels), units=[4]),
        score={"rating": 1.0},
        loss={"click": tf.keras.losses.BinaryCrossentropy(from_logits=True)},
        metrics={"click": [auc]},
        space={"tower_width": [4, 8], "learning_rate": 0.1},
    )
    again = pickle.loads(pickle.dumps(hypermodel))  # as workers are given it
    hp = kt.HyperParameters()
    assert again.build(hp).count_params() == hypermodel.build(hp).count_params()
    assert [metric.name for metric in again.build(hp).metrics][-1] == "click_auc"
    objective = "val_rating_root_mean_squared_error"
    found = run(hypermodel=hypermodel, rows=rows, epochs=2, objective=objective)
    assert any(hasattr(each, "num_experts") for each in found.model.network.layers)
