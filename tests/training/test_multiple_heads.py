"""Models with several heads: training, missing labels, loss weights, exports and errors."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

LOGITS = tf.keras.losses.BinaryCrossentropy(from_logits=True)
LOSSES = {"rating": "mean_squared_error", "click": LOGITS}
LABELS = {"rating": "user_rating", "click": "click"}
SCORE = {"rating": 1.0, "click": 0.5}
FEATURES = ("user_id", "item_id")


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(800, num_users=25, num_items=20, seed=3)
    columns["click"] = (columns["user_rating"] > 3.5).astype(np.float32)
    return columns


def make_features(rows):
    return {name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4) for name in FEATURES}


def make_heads():
    return {name: rk.layers.DenseRatingHead([8], name=name) for name in LABELS}


def make_model(rows, network=None, *, label=LABELS, sample_weight=None, loss=LOSSES, **kwargs):
    tf.keras.utils.set_random_seed(1)
    network = network or rk.ranking_network(make_features(rows), head=make_heads(), score=SCORE)
    model = rk.RankingModel(network, label=label, sample_weight=sample_weight)
    model.compile(tf.keras.optimizers.Adam(0.02), loss=loss, **kwargs)
    return model


@pytest.fixture(scope="module")
def network(rows):
    """A network that no test trains."""
    return rk.ranking_network(make_features(rows), head=make_heads(), score=SCORE)


def evaluate(model, batches):
    return model.evaluate(batches, verbose=0, return_dict=True)


def sample(rows, count=20):
    return {name: rows[name][:count] for name in FEATURES}


# --- Training, saving and exports ---


ARCHITECTURES = {
    "shared_bottom": {"hidden_units": [8]},
    "mmoe": {"num_experts": 3, "units": [8]},
    "ple": {"num_levels": 2, "units": [8]},
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_heads_learn_and_are_saved(architecture, rows, reload):
    build = getattr(rk.models, architecture)
    arguments = {"score": SCORE, **ARCHITECTURES[architecture]}
    network = build(make_features(rows), make_heads(), **arguments)
    auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
    model = make_model(rows, network, metrics={"click": [auc]})
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=12, verbose=0).history
    assert list(history) == [
        "loss", "regularization_loss", "total_loss",
        "rating_loss", "rating_root_mean_squared_error", "click_loss", "click_auc",
    ]  # fmt: skip
    assert history["rating_root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    assert history["click_auc"][-1] > 0.75
    for name in ("loss", "total_loss", "rating_loss", "click_loss"):
        assert history[name][-1] < history[name][0]
    for name, output in reload(model)(sample(rows)).items():
        np.testing.assert_allclose(output, model(sample(rows))[name], rtol=1e-5)


@pytest.fixture(scope="module")
def exported(rows, tmp_path_factory):
    """A model of progressive extraction, and its SavedModel and TensorFlow Lite exports."""
    folder = tmp_path_factory.mktemp("export")
    network = rk.models.ple(make_features(rows), make_heads(), score=SCORE, **ARCHITECTURES["ple"])
    model = make_model(rows, network)
    rk.export.save(model, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "ranker.tflite")
    return model, [rk.export.load(folder / file) for file in ("1", "ranker.tflite")]


def test_exports_have_the_outputs_of_all_heads(rows, exported):
    model, scorers = exported
    expected = model(sample(rows))
    combined = expected["rating"] + 0.5 * expected["click"]
    np.testing.assert_allclose(expected["score"], combined, rtol=1e-5)
    for scorer in scorers:
        found = scorer.outputs_of(sample(rows))
        assert set(found) == {"score", "rating", "click"}
        for name, output in expected.items():
            np.testing.assert_allclose(found[name], output, atol=1e-5)
        np.testing.assert_array_equal(scorer(sample(rows)), found["score"])


def test_head_of_an_export_scores_and_ranks(rows, exported):
    model, scorers = exported
    for scorer in scorers:
        head = scorer.head("click")
        np.testing.assert_allclose(head(sample(rows)), model(sample(rows))["click"], atol=1e-5)
        ranked = rk.rank(head, {"user_id": "u1"}, {"item_id": rows["item_id"][:5]})
        scores = [score for _, score in ranked]
        assert scores == sorted(scores, reverse=True)
        with pytest.raises(ValueError, match=r"Unknown head 'like'. Known: .*'click'"):
            scorer.head("like")


def test_rank_signature_of_an_export_ranks_by_the_combined_score(rows, exported):
    model, (scorer, _) = exported
    query, items = {"user_id": rows["user_id"][0]}, rk.data.vocabulary(rows["item_id"])
    ranked = rk.rank(model, query, {"item_id": items})
    served = scorer.loaded.signatures["rank"](
        user_id=tf.constant([query["user_id"]]), item_id=tf.constant(items), k=tf.constant(3)
    )
    assert [item.decode() for item in served["item_id"].numpy()] == [i for i, _ in ranked[:3]]
    combined = served["rating"][:, 0] + 0.5 * served["click"][:, 0]
    np.testing.assert_allclose(served["score"], combined, rtol=1e-5)


def test_head_of_a_model_is_a_scorer_that_can_be_exported(rows, network, tmp_path):
    model = make_model(rows, network)
    assert set(model.tasks) == {"rating", "click"}
    assert model.task is None
    head = model.head("click")
    np.testing.assert_array_equal(head(sample(rows)), model(sample(rows))["click"])
    report = rk.evaluate_ranking(head, rows, train=rows, item="item_id", relevant=1.0)
    assert report.metrics["auc"] == pytest.approx(0.5, abs=0.2)
    rk.export.save(head, tmp_path / "1")
    exported = rk.export.load(tmp_path / "1")
    np.testing.assert_allclose(exported(sample(rows)), model(sample(rows))["click"], rtol=1e-5)
    with pytest.raises(ValueError, match="Unknown head 'clicks'.*Did you mean 'click'"):
        model.head("clicks")


def test_score_may_be_a_function_of_the_heads(rows):
    def expected_rating(scores):
        return tf.sigmoid(scores["click"]) * scores["rating"]

    network = rk.ranking_network(make_features(rows), head=make_heads(), score=expected_rating)
    outputs = network({name: tf.constant(column) for name, column in sample(rows).items()})
    expected = tf.sigmoid(outputs["click"]) * outputs["rating"]
    np.testing.assert_allclose(outputs["score"], expected, rtol=1e-5)


def test_outputs_have_full_precision_with_mixed_precision(rows, mixed_precision):
    outputs = make_model(rows)(sample(rows))
    assert {each.dtype for each in outputs.values()} == {tf.float32}


def test_ensemble_takes_networks_of_single_heads(rows, network):
    models = [make_model(rows, network), make_model(rows)]
    with pytest.raises(ValueError, match=r"^Output shape of networks.*\.head"):
        rk.ensemble([model.network for model in models])
    ensemble = rk.ensemble([model.head("click").network for model in models])
    mean = np.mean([model(sample(rows))["click"] for model in models], axis=0)
    np.testing.assert_allclose(ensemble(sample(rows)), mean, rtol=1e-5)
    with pytest.raises(ValueError, match="must have the same number of output values"):
        rk.export.max_abs_difference(models[0], ensemble, sample(rows))


def test_features_labels_and_weights_may_be_passed_as_a_tuple(rows):
    weighted = {**rows, "w": np.linspace(0.1, 1.0, 800), "v": np.linspace(1.0, 0.1, 800)}
    weights = {"click": "w", "rating": "v"}
    batches = rk.data.batches(weighted, 300)
    in_parts = batches.map(
        lambda batch: (
            {name: batch[name] for name in FEATURES},
            {name: batch[name] for name in LABELS.values()},
            {name: batch[name] for name in weights.values()},
        )
    )
    model, other = (make_model(rows, sample_weight=weights, run_eagerly=True) for _ in range(2))
    assert model.get_config()["sample_weight"] == weights
    model.fit(batches, verbose=0)
    other.fit(in_parts, verbose=0)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-6)


# --- Metrics and sample weights by head ---


def test_metrics_have_the_prefix_of_their_head_and_are_copies(rows, network, reload):
    auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
    metrics = {"click": [auc], "rating": [auc]}
    model = make_model(rows, network, metrics=metrics)
    for _ in range(2):
        names = [metric.name for metric in model.metrics]
        assert [name for name in names if name.endswith("auc")] == ["rating_auc", "click_auc"]
        model.compile("adam", loss=LOSSES, metrics=metrics, run_eagerly=True)
    batches = rk.data.batches(rows, 64)
    found = evaluate(model, batches)
    assert auc.name == "auc"
    assert not np.any(auc.true_positives)
    assert evaluate(reload(model), batches) == found


def test_each_head_may_have_its_own_sample_weights(rows, network):
    weighted = {**rows, "w": np.random.default_rng(0).random(800)}
    batches = rk.data.batches(weighted, 300)
    of_click, unweighted, of_all = (
        evaluate(make_model(rows, network, sample_weight=weight, run_eagerly=True), batches)
        for weight in ({"click": "w"}, None, "w")
    )
    assert of_click["click_loss"] == pytest.approx(of_all["click_loss"], rel=1e-6)
    assert of_click["rating_loss"] == pytest.approx(unweighted["rating_loss"], rel=1e-6)
    assert of_all["rating_loss"] != pytest.approx(unweighted["rating_loss"], rel=1e-3)


@pytest.mark.parametrize("several", [False, True])
def test_sample_weights_that_are_all_0_raise(several, rows):
    weighted = {**rows, "w": np.zeros(800)}
    network = rk.models.tower(make_features(rows), hidden_units=[8])
    of_one_head = {"network": network, "label": "user_rating", "loss": None}
    settings = {"sample_weight": "w", "run_eagerly": several, **({} if several else of_one_head)}
    model = make_model(rows, **settings)
    with pytest.raises(ValueError, match="^All sample weights are 0( for head 'rating')?, so that"):
        model.fit(rk.data.batches(weighted, 200), verbose=0)
    weighted["w"][-1] = 1.0
    model.fit(rk.data.batches(weighted, 200), verbose=0)


# --- Missing labels ---


def test_rows_without_a_label_are_left_out_for_its_head(rows):
    partial = {**rows, "click": rows["click"].copy(), "user_rating": rows["user_rating"].copy()}
    partial["click"][::3] = np.nan
    partial["user_rating"][1::3] = np.nan

    def absolute_error(y_true, y_pred):
        return tf.abs(y_true - y_pred)

    model = make_model(rows, metrics={"click": [absolute_error]}, run_eagerly=True)
    batches = rk.data.batches(partial, 300)
    found = evaluate(model, batches)
    scores = model.predict(batches, verbose=0)
    squares = (partial["user_rating"] - scores["rating"][:, 0]) ** 2
    assert found["rating_loss"] == pytest.approx(np.nanmean(squares), rel=1e-5)
    rmse = found["rating_root_mean_squared_error"]
    assert rmse == pytest.approx(np.sqrt(np.nanmean(squares)), rel=1e-5)
    logits = scores["click"][:, 0]
    log_losses = np.log1p(np.exp(logits)) - partial["click"] * logits
    assert found["click_loss"] == pytest.approx(np.nanmean(log_losses), rel=1e-5)
    errors = np.abs(partial["click"] - logits)
    assert found["click_absolute_error"] == pytest.approx(np.nanmean(errors), rel=1e-5)
    model.fit(batches, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize("loss_weights", [None, "uncertainty"])
def test_head_without_any_label_is_not_trained(loss_weights, rows):
    unlabeled = {**rows, "click": np.full_like(rows["click"], np.nan)}
    model = make_model(rows, loss_weights=loss_weights, run_eagerly=True)
    [head] = [layer for layer in model.network.layers if layer.name == "click"]
    before = head.get_weights()
    with pytest.warns(UserWarning, match="No example had a label for head 'click': its loss and"):
        history = model.fit(rk.data.batches(unlabeled, 200), epochs=3, verbose=0).history
    assert history["click_loss"] == [0.0] * 3
    tf.nest.map_structure(np.testing.assert_array_equal, head.get_weights(), before)
    if loss_weights is not None:
        assert history["click_weight"] == [1.0] * 3
        weight = history["rating_weight"][-1]
        expected = weight * history["rating_loss"][-1] - np.log(weight)
        assert history["loss"][-1] == pytest.approx(expected, rel=1e-4)


def test_listwise_head_beside_a_head_of_rows(rows):
    loss = {"rating": "mean_squared_error", "click": rk.losses.SoftmaxLoss()}
    weighted = {**rows, "weight": np.ones(800, np.float32)}
    weighted["user_rating"] = rows["user_rating"].copy()
    weighted["user_rating"][::4] = np.nan
    metrics = {"click": [rk.metrics.NDCG(5)]}
    model = make_model(rows, loss=loss, metrics=metrics, sample_weight="weight")
    lists = rk.data.lists(weighted, 8, shuffle=True, seed=1)
    history = model.fit(lists, epochs=10, verbose=0).history
    assert history["click_ndcg_at_5"][-1] > history["click_ndcg_at_5"][0]
    assert history["rating_root_mean_squared_error"][-1] < np.std(rows["user_rating"])
    found = evaluate(model, rk.data.lists(weighted, 25))
    scores = model.predict(rk.data.batches(rows, 800), verbose=0)["rating"][:, 0]
    squares = (weighted["user_rating"] - scores) ** 2
    assert found["rating_loss"] == pytest.approx(np.nanmean(squares), rel=1e-4)
    model.jit_compile = True
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="^jit_compile must be .* listwise loss of one of sev"):
            method(lists)


def test_lists_without_a_label_are_left_out_for_its_head(rows, network):
    loss = {"rating": "mean_squared_error", "click": rk.losses.SoftmaxLoss()}
    partial = {**rows, "click": rows["click"].copy()}
    partial["weight"] = np.random.default_rng(1).random(800)
    unlabeled = np.isin(rows["user_id"], np.unique(rows["user_id"])[::2])
    partial["click"][unlabeled] = np.nan
    model = make_model(rows, network, loss=loss, sample_weight="weight", run_eagerly=True)
    found = evaluate(model, rk.data.lists(partial, 8))
    rest = {name: column[~unlabeled] for name, column in partial.items()}
    expected = evaluate(model, rk.data.lists(rest, 8))
    for name in ("click_loss", "click_ndcg_at_10"):
        assert found[name] == pytest.approx(expected[name], rel=1e-5)


# --- Loss weights ---


def test_loss_is_the_weighted_sum_of_the_losses_of_the_heads(rows, network):
    weights = {"rating": 2.0, "click": 0.25}
    model = make_model(rows, network, loss_weights=weights, run_eagerly=True)
    found = evaluate(model, rk.data.batches(rows, 300))
    expected = 2.0 * found["rating_loss"] + 0.25 * found["click_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-6)
    assert found["total_loss"] == pytest.approx(expected, rel=1e-6)


def test_zero_loss_weight_equals_removing_the_head(rows):
    batches = rk.data.batches(rows, 200)
    both = make_model(rows, loss_weights={"click": 0.0}, run_eagerly=True)
    both.fit(batches, epochs=2, verbose=0)
    settings = {"label": {"rating": "user_rating"}, "loss": {"rating": LOSSES["rating"]}}
    with pytest.warns(UserWarning, match="Head 'click' contributes to the score but has no label"):
        alone = make_model(rows, **settings, run_eagerly=True)
    alone.fit(batches, epochs=2, verbose=0)
    found, expected = both(sample(rows))["rating"], alone(sample(rows))["rating"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_learned_loss_weights_converge_to_the_inverse_of_the_loss(rows):
    rows = {**rows, "click": rows["click"].copy()}
    rows["click"][400:] = np.nan  # whole batches without a label
    model = make_model(rows, loss_weights="uncertainty")
    model.optimizer.learning_rate = 0.05
    history = model.fit(rk.data.batches(rows, 32), epochs=15, verbose=0).history
    last = {name: values[-1] for name, values in history.items()}
    for head in LABELS:
        assert last[f"{head}_weight"] * last[f"{head}_loss"] == pytest.approx(1.0, rel=0.25)
    terms = [last[f"{h}_weight"] * last[f"{h}_loss"] - np.log(last[f"{h}_weight"]) for h in LABELS]
    assert last["loss"] == pytest.approx(sum(terms), abs=0.03)


def test_learned_loss_weights_are_saved_whether_or_not_a_model_learns_them(rows, tmp_path):
    model = make_model(rows, loss_weights="uncertainty", run_eagerly=True)
    batches = rk.data.batches(rows, 300)
    model.fit(batches, verbose=0)
    learned = model.log_variances.numpy()
    assert np.all(learned != 0.0)
    model.save(tmp_path / "learned.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded = rk.export.load(tmp_path / "learned.keras")
    assert any(each is loaded.log_variances for each in loaded.trainable_variables)
    uncompiled = tf.keras.models.load_model(tmp_path / "learned.keras", compile=False)
    network = rk.ranking_network(make_features(rows), head=make_heads(), score=SCORE)
    fresh = rk.RankingModel(network, label=LABELS)
    fresh.load_weights(tmp_path / "model.weights.h5")
    for each in (loaded, uncompiled, fresh):
        np.testing.assert_array_equal(each.log_variances, learned)
    model.compile("adam", loss=LOSSES)  # with fixed weights from now on
    assert len(model.trainable_variables) == len(network.trainable_variables)
    model.save(tmp_path / "fixed.keras")
    rk.export.load(tmp_path / "fixed.keras").fit(batches, verbose=0)


# --- Errors ---


class MetricWithoutConfig(tf.keras.metrics.Mean):
    def __init__(self, what):
        super().__init__(f"mean_of_{what}")


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"loss": {"clicks": "mse"}}, ValueError, "Unknown head in loss 'clicks'.*mean 'click'"),
        ({"loss": "mse"}, TypeError, r"loss must be a dict by head.*loss=\{'rating': \.\.\.\}"),
        ({"metrics": ["mse"]}, TypeError, "metrics must be a dict by head"),
        ({"loss_weights": {"rating": -1.0}}, ValueError, "loss_weights must be at least 0 each"),
        ({"loss_weights": {"rating": 0, "click": 0}}, ValueError, "loss_weights must be .*not all"),
        ({"loss_weights": {"like": 1.0}}, ValueError, "Unknown head in loss_weights 'like'"),
        ({"loss_weights": [1.0, 2.0]}, TypeError, "loss_weights must be a dict by head"),
        ({"loss_weights": {"click": "a"}}, TypeError, r"loss_weights\['click'\] must be a number"),
        ({"loss_weights": {"click": True}}, TypeError, r"loss_weights\['click'\] must be a number"),
        ({"sample_weight": {"like": "w"}}, ValueError, "Unknown head in sample_weight 'like'"),
        ({"sample_weight": {"click": 1}}, TypeError, "sample_weight must be the name of a column"),
        ({"label": {"rating": "user_rating", "like": "click"}}, ValueError, "Unknown head 'like'"),
        ({"label": {"rating": "item_id"}}, ValueError, "label must be a column that is not a fea"),
        ({"label": {}}, ValueError, "label must be .* a dict with at least one head"),
        (
            {"metrics": {"click": [MetricWithoutConfig(1)]}}, TypeError,
            "Head 'click': metric must be a metric with a get_config",
        ),
        (
            {"metrics": {"rating": [rk.metrics.NDCG()]}}, ValueError,
            "Head 'rating': Metric 'ndcg_at_10' is computed over lists",
        ),
        (
            {"loss": {"click": rk.losses.OrdinalLoss((0, 1))}}, ValueError,
            "Head 'click': Unknown output of the network that ordinal_loss reads",
        ),
        (
            {"metrics": {"click": [rk.metrics.NDCG]}}, TypeError,
            r"Head 'click': .*Pass an instance: NDCG\(\)",
        ),
    ],
)  # fmt: skip
def test_unsuitable_settings_raise(change, error, text, rows, network):
    with pytest.raises(error, match=f"^{text}"):
        make_model(rows, network, **change)


ORDINAL_AND_STD = {"a": rk.layers.OrdinalHead((1, 2), [2]), "a_std": rk.layers.DenseRatingHead([2])}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"score": None}, ValueError, "score must be a dict of weights by head"),
        ({"score": {"like": 1.0}}, ValueError, "Unknown head in score 'like'"),
        ({"score": {}}, ValueError, "weights must be .* not all 0"),
        ({"score": {"rating": 0}}, ValueError, "weights must be .* not all 0"),
        ({"score": 3}, TypeError, "score must be a dict of weights"),
        ({"head": {}}, ValueError, "head must be a dict with at least one head"),
        ({"head": {"item_id": None}}, ValueError, "The name of a head must.* Got: 'item_id'"),
        ({"head": {"total": None}}, ValueError, "The name of a head must.* Got: 'total'"),
        (
            {"head": ORDINAL_AND_STD, "score": {"a": 1}}, ValueError,
            "Head 'a' has an output named 'a_std'",
        ),
        (
            {"interaction": lambda vectors: {"rating": vectors[0]}}, ValueError,
            "The result of the interaction must be .* one for each of",
        ),
    ],
)  # fmt: skip
def test_unsuitable_heads_and_scores_raise(change, error, text, rows):
    settings = {"head": make_heads(), "score": SCORE, **change}
    with pytest.raises(error, match=f"^{text}"):
        rk.ranking_network(make_features(rows), **settings)


def test_single_head_has_no_name_weight_or_score(rows):
    network = rk.ranking_network(make_features(rows), head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="user_rating")
    with pytest.raises(ValueError, match="loss_weights must be None for a network with a single"):
        model.compile("adam", loss_weights="uncertainty")
    with pytest.raises(
        ValueError, match="The model has a single head. Got: name='rating'. Use the model"
    ):
        model.head("rating")
    with pytest.raises(TypeError, match="loss must be a single value.*a single head"):
        model.compile("adam", loss={"rating": "mse"})
    assert model.task is None
    model.compile("adam")
    assert model.tasks == {None: model.task}
    features = {"score": rk.layers.IdEmbedding(["a"], 2)}
    with pytest.raises(ValueError, match="both a feature and an output named"):
        rk.ranking_network(features, head=rk.layers.OrdinalHead((1, 2), [2]))
    with pytest.raises(ValueError, match="score must be None because there is a single head"):
        rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]), score={"a": 1.0})


def test_batches_without_the_labels_of_all_heads_raise(rows, network):
    model = make_model(rows, network)
    without = {name: column for name, column in rows.items() if name != "click"}
    with pytest.raises(ValueError, match="^Missing label 'click'"):
        model.fit(rk.data.batches(without, 64), verbose=0)
    batches = rk.data.batches(rows, 64).map(lambda batch: (batch, batch["user_rating"]))
    with pytest.raises(TypeError, match="^labels must be a dict by column, as there are several"):
        model.fit(batches, verbose=0)
