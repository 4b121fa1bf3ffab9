"""Models with several objectives."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

CROSS_ENTROPY = tf.keras.losses.BinaryCrossentropy(from_logits=True)
LOSSES = {"rating": "mean_squared_error", "click": CROSS_ENTROPY}
LABELS = {"rating": "user_rating", "click": "click"}
SCORE = {"rating": 1.0, "click": 0.5}


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(800, num_users=25, num_items=20, seed=3)
    columns["click"] = (columns["user_rating"] > 3.5).astype(np.float32)
    return columns


def make_features(rows):
    return {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }


def make_heads():
    return {name: rk.layers.DenseRatingHead([8], name=name) for name in LABELS}


def make_model(rows, network=None, label=None, loss=None, **kwargs):
    tf.keras.utils.set_random_seed(1)
    network = network or rk.ranking_network(make_features(rows), head=make_heads(), score=SCORE)
    sample_weight = kwargs.pop("sample_weight", None)
    model = rk.RankingModel(network, label=label or LABELS, sample_weight=sample_weight)
    model.compile(tf.keras.optimizers.Adam(0.02), loss=LOSSES if loss is None else loss, **kwargs)
    return model


ORDINAL_AND_SPREAD = {
    "a": rk.layers.OrdinalHead((1, 2), [2]),
    "a_spread": rk.layers.DenseRatingHead([2]),
}


class NoConfig(tf.keras.metrics.Mean):
    def __init__(self, what):
        super().__init__(f"mean_of_{what}")


RECIPES = {
    "shared_bottom": {"hidden_units": [8]},
    "mmoe": {"num_experts": 3, "units": [8]},
    "ple": {"num_levels": 2, "units": [8]},
}


def make_network(rows, recipe):
    build = getattr(rk.models, recipe)
    return build(make_features(rows), make_heads(), score=SCORE, **RECIPES[recipe])


@pytest.mark.parametrize("recipe", RECIPES)
def test_both_heads_learn_and_go_through_everything(recipe, rows, tmp_path):
    auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
    model = make_model(rows, make_network(rows, recipe), metrics={"click": [auc]})
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=15, verbose=0).history
    assert list(history) == [
        "loss", "regularization_loss", "total_loss",
        "rating_loss", "rating_root_mean_squared_error", "click_loss", "click_auc",
    ]  # fmt: skip
    assert history["rating_root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    assert history["click_auc"][-1] > 0.75
    for name, loss in history.items():
        if name.endswith("_loss") and name != "regularization_loss":
            assert loss[-1] < loss[0]
    sample = {name: rows[name][:40] for name in ("user_id", "item_id")}
    outputs = model(sample)
    combined = outputs["rating"] + 0.5 * outputs["click"]
    np.testing.assert_allclose(outputs["score"], combined, rtol=1e-5)
    # All that is saved gives all heads.
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    model.save(tmp_path / "model.keras")
    for file in ("1", "ranker.tflite"):
        scorer = rk.export.load(tmp_path / file)
        found = scorer.outputs_of(sample)
        assert set(found) == {"score", "rating", "click"}
        for name, output in outputs.items():
            np.testing.assert_allclose(found[name], output, atol=1e-5)
        np.testing.assert_array_equal(scorer(sample), found["score"])
    loaded = rk.export.load(tmp_path / "model.keras")
    assert loaded.evaluate(batches, verbose=0) == pytest.approx(
        model.evaluate(batches, verbose=0), rel=1e-5
    )
    # And ranks by the score.
    query, items = {"user_id": rows["user_id"][0]}, {"item_id": rk.data.vocabulary(rows["item_id"])}
    ranked = rk.rank(model, query, items)
    assert [score for _, score in ranked] == sorted((s for _, s in ranked), reverse=True)
    served = rk.export.load(tmp_path / "1").loaded.signatures["rank"](
        user_id=tf.constant([query["user_id"]]), item_id=tf.constant(items["item_id"]),
        k=tf.constant(3),
    )  # fmt: skip
    assert [item.decode() for item in served["item_id"].numpy()] == [i for i, _ in ranked[:3]]
    np.testing.assert_allclose(
        served["score"], served["rating"][:, 0] + 0.5 * served["click"][:, 0], rtol=1e-5
    )


def test_each_head_has_a_task_and_a_scorer(rows):
    model = make_model(rows)
    assert set(model.tasks) == {"rating", "click"}
    scorer = model.head("click")
    sample = {name: rows[name][:10] for name in ("user_id", "item_id")}
    np.testing.assert_array_equal(scorer(sample), model(sample)["click"])
    report = rk.evaluate_ranking(scorer, rows, train=rows, item="item_id", relevant=1.0)
    assert report.metrics["auc"] == pytest.approx(0.5, abs=0.2)
    with pytest.raises(ValueError, match="Unknown head 'clicks'.*Did you mean 'click'"):
        model.head("clicks")


def test_weights_weigh_the_losses(rows):
    batches = rk.data.batches(rows, 64)
    weights = {"rating": 2.0, "click": 0.25}
    found = make_model(rows, loss_weights=weights).evaluate(batches, verbose=0, return_dict=True)
    wanted = 2.0 * found["rating_loss"] + 0.25 * found["click_loss"]
    assert found["loss"] == pytest.approx(wanted, rel=1e-6)
    assert found["total_loss"] == pytest.approx(wanted, rel=1e-6)


def test_a_weight_of_nothing_trains_as_if_the_head_were_not_there(rows):
    batches = rk.data.batches(rows, 64)
    both = make_model(rows, loss_weights={"click": 0.0})
    both.fit(batches, epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="Head 'click' counts for the score and has no label"):
        alone = make_model(rows, label={"rating": "user_rating"}, loss={"rating": LOSSES["rating"]})
    alone.fit(batches, epochs=2, verbose=0)
    sample = {name: rows[name][:10] for name in ("user_id", "item_id")}
    np.testing.assert_allclose(both(sample)["rating"], alone(sample)["rating"], rtol=1e-4)


def test_learned_weights_go_to_one_over_the_loss(rows, tmp_path):
    model = make_model(rows, loss_weights="uncertainty")
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=40, verbose=0).history
    assert history["rating_weight"][0] != history["click_weight"][0]
    for head in LABELS:
        last = history[f"{head}_loss"][-1]
        assert history[f"{head}_weight"][-1] == pytest.approx(1 / last, rel=0.25)
    logs = -np.log([history[f"{head}_weight"][-1] for head in LABELS])
    losses = np.array([history[f"{head}_loss"][-1] for head in LABELS])
    wanted = np.sum(np.exp(-logs) * losses + logs)
    assert history["loss"][-1] == pytest.approx(wanted, abs=0.01)
    # They are part of the model, and go on from where they were.
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.log_variances, model.log_variances)
    assert any(each is loaded.log_variances for each in loaded.trainable_variables)
    first = loaded.fit(batches, epochs=1, verbose=0).history
    assert first["rating_weight"][0] == pytest.approx(history["rating_weight"][-1], rel=0.1)


def test_rows_without_a_label_do_not_count_for_its_head(rows):
    partly = {**rows, "click": rows["click"].copy(), "user_rating": rows["user_rating"].copy()}
    partly["click"][::3] = np.nan
    partly["user_rating"][1::3] = np.nan
    model = make_model(rows, metrics={"click": ["mean_absolute_error"]})
    found = model.evaluate(rk.data.batches(partly, 64), verbose=0, return_dict=True)
    scores = model.predict(rk.data.batches(rows, 64), verbose=0)
    for head, label in LABELS.items():
        there = ~np.isnan(partly[label])
        rest = {name: column[there] for name, column in partly.items()}
        loss = tf.keras.losses.get(LOSSES[head])(rest[label][:, None], scores[head][there])
        assert found[f"{head}_loss"] == pytest.approx(float(np.mean(loss)), rel=1e-5)
        if head == "rating":
            rmse = np.sqrt(np.mean((rest[label] - scores[head][there, 0]) ** 2))
            assert found["rating_root_mean_squared_error"] == pytest.approx(rmse, rel=1e-5)
    wanted = np.nanmean(np.abs(partly["click"] - scores["click"][:, 0]))
    assert found["click_mean_absolute_error"] == pytest.approx(wanted, rel=1e-5)
    model.fit(rk.data.batches(partly, 64), epochs=1, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_a_batch_without_any_label_of_a_head_changes_nothing_of_it(rows):
    none = {**rows, "click": np.full_like(rows["click"], np.nan)}
    model = make_model(rows)
    [head] = [layer for layer in model.network.layers if layer.name == "click"]
    before = head.get_weights()
    with pytest.warns(UserWarning, match="No row had a label for head 'click'"):
        history = model.fit(rk.data.batches(none, 64), epochs=1, verbose=0).history
    assert history["click_loss"] == [0.0]
    for one, two in zip(before, head.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_head_may_rank_lists_beside_one_of_rows(rows):
    loss = {"rating": "mean_squared_error", "click": rk.losses.SoftmaxLoss()}
    metrics = {"click": [rk.metrics.NDCG(5)]}
    model = make_model(rows, loss=loss, metrics=metrics, sample_weight="weight")
    weighted = {**rows, "weight": np.ones(800, np.float32)}
    weighted["user_rating"] = rows["user_rating"].copy()
    weighted["user_rating"][::4] = np.nan
    lists = rk.data.lists(weighted, 8, shuffle=True, seed=1)
    history = model.fit(lists, epochs=10, verbose=0).history
    assert history["click_ndcg_at_5"][-1] > history["click_ndcg_at_5"][0]
    assert history["rating_root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    found = model.evaluate(rk.data.lists(weighted, 25), verbose=0, return_dict=True)
    scores = model.predict(rk.data.batches(rows, 800), verbose=0)["rating"][:, 0]
    squares = (weighted["user_rating"] - scores) ** 2
    assert found["rating_loss"] == pytest.approx(np.nanmean(squares), rel=1e-4)


def test_learned_weights_stay_where_there_is_no_label(rows):
    none = {**rows, "click": np.full_like(rows["click"], np.nan)}
    model = make_model(rows, loss_weights="uncertainty")
    with pytest.warns(UserWarning, match="No row had a label for head 'click'"):
        history = model.fit(rk.data.batches(none, 64), epochs=5, verbose=0).history
    assert history["click_weight"] == [1.0] * 5
    rating, log_variance = history["rating_loss"][-1], -np.log(history["rating_weight"][-1])
    wanted = np.exp(-log_variance) * rating + log_variance
    assert history["loss"][-1] == pytest.approx(wanted, rel=1e-4)
    # However the labels fall into batches, a weight goes to one over the loss.
    rows = {name: np.tile(column, 2) for name, column in rows.items()}
    rows["click"][: len(rows["click"]) // 2] = np.nan
    model = make_model(rows, loss_weights="uncertainty")
    history = model.fit(rk.data.batches(rows, 64), epochs=40, verbose=0).history
    product = history["click_weight"][-1] * history["click_loss"][-1]
    assert product == pytest.approx(1.0, rel=0.25)


def test_files_of_learned_weights_are_read_whatever_a_model_is_compiled_for(rows, tmp_path):
    model = make_model(rows, loss_weights="uncertainty")
    batches = rk.data.batches(rows, 64)
    model.fit(batches, epochs=1, verbose=0)
    model.save(tmp_path / "learned.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    learned = model.log_variances.numpy()
    loaded = tf.keras.models.load_model(tmp_path / "learned.keras", compile=False)
    np.testing.assert_array_equal(loaded.log_variances, learned)
    network = rk.ranking_network(make_features(rows), head=make_heads(), score=SCORE)
    fresh = rk.RankingModel(network, label=LABELS)
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(fresh.log_variances, learned)
    model.compile("adam", loss=LOSSES)  # by fixed weights from now on
    assert len(model.trainable_variables) == len(network.trainable_variables)
    model.save(tmp_path / "fixed.keras")
    again = rk.export.load(tmp_path / "fixed.keras")
    again.fit(batches, epochs=1, verbose=0)


def test_metrics_of_a_head_keep_their_names(rows, tmp_path):
    auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
    model = make_model(rows, metrics={"click": [auc], "rating": [auc]})
    for _ in range(2):
        names = [metric.name for metric in model.metrics]
        assert [name for name in names if name.endswith("auc")] == ["rating_auc", "click_auc"]
        model.compile("adam", loss=LOSSES, metrics={"click": [auc], "rating": [auc]})
    assert auc.name == "auc"
    batches = rk.data.batches(rows, 64)
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert not np.any(auc.true_positives)
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    assert loaded.evaluate(batches, verbose=0, return_dict=True) == found


def test_each_head_may_have_weights_of_its_own(rows):
    generator = np.random.default_rng(0)
    weighted = {**rows, "w": generator.random(800), "v": generator.random(800)}
    batches = rk.data.batches(weighted, 64)
    model = make_model(rows, sample_weight={"click": "w"})
    found = model.evaluate(batches, verbose=0, return_dict=True)
    plain = make_model(rows).evaluate(batches, verbose=0, return_dict=True)
    whole = make_model(rows, sample_weight="w").evaluate(batches, verbose=0, return_dict=True)
    assert found["click_loss"] == pytest.approx(whole["click_loss"], rel=1e-6)
    assert found["rating_loss"] == pytest.approx(plain["rating_loss"], rel=1e-6)
    weights = {"click": "w", "rating": "v"}
    model = make_model(rows, sample_weight=weights)
    apart = batches.map(
        lambda batch: (
            batch,
            {name: batch[name] for name in LABELS.values()},
            {name: batch[name] for name in "wv"},
        )
    )
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert model.evaluate(apart, verbose=0, return_dict=True) == pytest.approx(found, rel=1e-6)
    assert model.get_config()["sample_weight"] == weights


def test_lists_without_a_label_of_a_head_do_not_count_for_it(rows):
    loss = {"rating": "mean_squared_error", "click": rk.losses.SoftmaxLoss()}
    partly = {**rows, "click": rows["click"].copy()}
    users = np.unique(rows["user_id"])[::2]
    without = np.isin(rows["user_id"], users)
    partly["click"][without] = np.nan
    model = make_model(rows, loss=loss, sample_weight="weight")
    partly["weight"] = np.random.default_rng(1).random(800)
    found = model.evaluate(rk.data.lists(partly, 8), verbose=0, return_dict=True)
    rest = {name: column[~without] for name, column in partly.items()}
    wanted = model.evaluate(rk.data.lists(rest, 8), verbose=0, return_dict=True)
    for name in ("click_loss", "click_ndcg_at_10"):
        assert found[name] == pytest.approx(wanted[name], rel=1e-5)


@pytest.mark.parametrize("heads", ["rating", "rating and click"])
def test_weights_of_nothing_are_refused(heads, rows):
    weighted = {**rows, "w": np.zeros(800)}
    if heads == "rating":
        network = rk.ranking_network(make_features(rows), head=rk.layers.DenseRatingHead([8]))
        model = rk.RankingModel(network, label="user_rating", sample_weight="w")
        model.compile("adam")
    else:
        model = make_model(rows, sample_weight="w")
    with pytest.raises(ValueError, match="sample_weight must be above 0 for some of the rows"):
        model.fit(rk.data.batches(weighted, 64), epochs=1, verbose=0)
    weighted["w"][-1] = 1.0
    model.fit(rk.data.batches(weighted, 64), epochs=1, verbose=0)


def test_a_single_loss_has_no_weight(rows):
    network = rk.ranking_network(make_features(rows), head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="user_rating")
    with pytest.raises(ValueError, match="loss_weights must be None: there is a single loss"):
        model.compile("adam", loss_weights="uncertainty")
    with pytest.raises(ValueError, match="head must be left out, as there is a single head"):
        model.head("rating")
    assert model.task is None
    model.compile("adam")
    assert model.tasks == {None: model.task}


def test_one_tensor_of_labels_is_refused(rows):
    batches = rk.data.batches(rows, 64).map(lambda batch: (batch, batch["user_rating"]))
    with pytest.raises(TypeError, match="labels must be a dict by column, as there are several"):
        make_model(rows).fit(batches, verbose=0)


def test_a_head_is_exported_alone_or_taken_from_an_export(rows, tmp_path):
    model = make_model(rows)
    sample = {name: rows[name][:20] for name in ("user_id", "item_id")}
    rk.export.save(model.head("click"), tmp_path / "1")
    alone = rk.export.load(tmp_path / "1")
    np.testing.assert_allclose(alone(sample), model(sample)["click"], rtol=1e-5)
    rk.export.save(model, tmp_path / "2")
    rk.export.to_tflite(tmp_path / "2", tmp_path / "ranker.tflite")
    for file in ("2", "ranker.tflite"):
        scorer = rk.export.load(tmp_path / file)
        head = scorer.head("click")
        np.testing.assert_allclose(head(sample), model(sample)["click"], rtol=1e-5)
        np.testing.assert_allclose(scorer(sample), model(sample)["score"], rtol=1e-5)
        ranked = rk.rank(head, {"user_id": "u1"}, {"item_id": sample["item_id"][:5]})
        assert [score for _, score in ranked] == sorted([score for _, score in ranked])[::-1]
        with pytest.raises(ValueError, match=r"Unknown head 'like'. Known: .*'click'"):
            scorer.head("like")


def test_scores_are_told_apart_in_full_precision(rows):
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = make_model(rows)
        assert {
            each.dtype for each in model({n: rows[n][:3] for n in make_features(rows)}).values()
        } == {tf.float32}
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def test_labels_may_come_apart(rows):
    model, other = make_model(rows), make_model(rows)
    batches = rk.data.batches(rows, 64)
    labels = ("user_rating", "click")
    apart = batches.map(lambda batch: (batch, {name: batch[name] for name in labels}))
    model.fit(batches, epochs=1, verbose=0)
    other.fit(apart, epochs=1, verbose=0)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"loss": {"clicks": "mse"}}, ValueError, "Unknown head in loss 'clicks'"),
        ({"loss": "mse"}, TypeError, "loss must be a dict by head"),
        ({"metrics": ["mse"]}, TypeError, "metrics must be a dict by head"),
        ({"loss_weights": {"rating": -1.0}}, ValueError, "loss_weights must be at least 0 each"),
        ({"loss_weights": {"rating": 0, "click": 0}}, ValueError, "not all 0"),
        ({"loss_weights": {"like": 1.0}}, ValueError, "Unknown head in loss_weights 'like'"),
        ({"loss_weights": [1.0, 2.0]}, TypeError, "loss_weights must be a dict by head"),
        ({"loss_weights": {"click": "a"}}, TypeError, r"loss_weights\['click'\] must be a number"),
        ({"sample_weight": {"like": "w"}}, ValueError, "Unknown head in sample_weight 'like'"),
        ({"sample_weight": {"click": 1}}, TypeError, "sample_weight must be the name of a column"),
        (
            {"metrics": {"click": [NoConfig(1)]}},
            TypeError,
            "metric must be a metric with a get_con",
        ),
        ({"label": {"rating": "user_rating", "like": "click"}}, ValueError, "Unknown head 'like'"),
        ({"label": {"rating": "item_id"}}, ValueError, "label must be a column that is no feature"),
    ],
)
def test_what_does_not_fit_is_named(change, error, words, rows):
    with pytest.raises(error, match=words):
        make_model(rows, **change)


def test_a_missing_label_column_is_named(rows):
    model = make_model(rows)
    without = {name: column for name, column in rows.items() if name != "click"}
    with pytest.raises(ValueError, match="Missing label 'click'"):
        model.fit(rk.data.batches(without, 64), verbose=0)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"score": None}, ValueError, "score must be what candidates are ranked by"),
        ({"score": {"like": 1.0}}, ValueError, "Unknown head in score 'like'"),
        ({"score": {}}, ValueError, "weights must be a finite number for each head, not all 0"),
        ({"score": {"rating": 0}}, ValueError, "weights must be a finite number .* not all 0"),
        ({"score": 3}, TypeError, "score must be a dict of weights"),
        ({"head": {}}, ValueError, "head must be a dict with at least one head"),
        ({"head": {"item_id": None}}, ValueError, "name of a head must be"),
        ({"head": {"total": None}}, ValueError, "name of a head must be none of .*'total'"),
        (
            {"head": ORDINAL_AND_SPREAD, "score": {"a": 1}},
            ValueError,
            "'a' gives an output of that",
        ),
        ({"interaction": lambda vectors: {"rating": vectors[0]}}, ValueError, "one for each of"),
    ],
)
def test_heads_that_make_no_network_are_named(change, error, words, rows):
    settings = {"head": make_heads(), "score": SCORE, **change}
    with pytest.raises(error, match=words):
        rk.ranking_network(make_features(rows), **settings)


def test_the_score_may_be_any_function(rows):
    def chance_and_rating(scores):
        return tf.sigmoid(scores["click"]) * scores["rating"]

    network = rk.ranking_network(make_features(rows), head=make_heads(), score=chance_and_rating)
    outputs = network({name: tf.constant(rows[name][:5]) for name in ("user_id", "item_id")})
    wanted = tf.sigmoid(outputs["click"]) * outputs["rating"]
    np.testing.assert_allclose(outputs["score"], wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": {"click": "binary_crossentropy"}}, "Head 'click': loss must be one of logits"),
        ({"metrics": {"rating": [rk.metrics.NDCG()]}}, "Head 'rating': metrics must be metrics of"),
        ({"loss": {"click": rk.losses.OrdinalLoss((0, 1))}}, "Head 'click': Unknown output of the"),
        ({"loss": {"click": rk.losses.SoftmaxLoss}}, "Head 'click': .*Make one: SoftmaxLoss()"),
        ({"metrics": {"click": [rk.metrics.NDCG]}}, "Head 'click': .*Make one: NDCG()"),
    ],
)
def test_what_does_not_fit_a_head_names_it(change, words, rows):
    with pytest.raises((ValueError, TypeError), match=words):
        make_model(rows, **change)


def test_names_of_outputs_are_no_features(rows):
    features = {"score": rk.layers.IdEmbedding(["a"], 2)}
    with pytest.raises(ValueError, match="feature name must be none of the outputs' names"):
        rk.ranking_network(features, head=rk.layers.OrdinalHead((1, 2), [2]))
    with pytest.raises(ValueError, match="score must be None, as there is a single head"):
        rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]), score={"a": 1.0})


def test_heads_make_no_ensemble_but_one_of_them_does(rows):
    models = [make_model(rows), make_model(rows)]
    with pytest.raises(ValueError, match=r"output of a network must be \(None, 1\).*\.head"):
        rk.ensemble([model.network for model in models])
    one = rk.ensemble([model.head("click").network for model in models])
    sample = {name: rows[name][:5] for name in ("user_id", "item_id")}
    mean = np.mean([model(sample)["click"] for model in models], axis=0)
    np.testing.assert_allclose(one(sample), mean, rtol=1e-5)
    with pytest.raises(ValueError, match="numbers of a scorer must be as many as the other's"):
        rk.export.max_abs_difference(models[0], one, sample)
