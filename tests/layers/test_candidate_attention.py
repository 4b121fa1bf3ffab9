"""Networks that score the candidates of a query together."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
pytestmark = pytest.mark.filterwarnings("ignore:Lists with a single item")


def make_rows(num_queries=40, seed=0):
    """Rows whose label is in the order of the first number, or in the reverse order.

    The mean of the second number over the rows of a query says which.
    """
    rng = np.random.default_rng(seed)
    queries = np.repeat(np.arange(num_queries), rng.integers(1, 15, num_queries))
    features = rng.normal(size=(len(queries), 3)).astype(np.float32)
    sign = rng.choice([-1, 1], num_queries)[queries]
    features[:, 1] += sign
    label = (features[:, 0] * sign > 0.3).astype(np.float32)
    order = rng.permutation(len(queries))  # the rows of a query are not together
    rows = {"query_id": queries, "features": features, "label": label}
    return {name: column[order] for name, column in rows.items()}


ROWS = make_rows(100)


def make_model(dtype=None, attention=True, **arguments):
    tf.keras.utils.set_random_seed(1)
    layers = [L.CandidateAttention(1, dtype=dtype, **arguments)] if attention else []
    network = rk.ranking_network(
        {"features": L.NormalizedNumbers.from_column(ROWS["features"])},
        interaction=lambda vectors: tf.keras.layers.Dense(8, "relu", dtype=dtype)(vectors[0]),
        head=tf.keras.Sequential([*layers, L.DenseRatingHead([8])]),
    )
    model = rk.RankingModel(network, label="label")
    model.compile(tf.keras.optimizers.Adam(0.01), loss=rk.losses.SoftmaxLoss())
    return model


def rows_of(query, rows=ROWS):
    return {"features": rows["features"][rows["query_id"] == query]}


def train(model):
    data = rk.data.lists(ROWS, 8, query="query_id", shuffle=True, seed=1)
    model.fit(data, epochs=15, verbose=0)
    return model


@pytest.fixture(scope="module")
def trained():
    return train(make_model())


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("candidate_attention")
    trained.save(folder / "m.keras")
    rk.export.save(trained, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return {name: rk.export.load(folder / name) for name in ("m.keras", "1", "m.tflite")}


def test_scores_follow_the_order_of_the_candidates(trained):
    candidates = rows_of(1)
    order = np.random.default_rng(2).permutation(len(candidates["features"]))
    moved = {"features": candidates["features"][order]}
    np.testing.assert_allclose(trained(moved), trained(candidates).numpy()[order], atol=1e-5)


def test_scores_depend_on_the_other_candidates(trained):
    candidates = rows_of(1)
    fewer = {"features": candidates["features"][:2]}
    assert np.abs(trained(fewer) - trained(candidates)[:2]).max() > 0.01


def test_scores_of_padded_lists_are_those_of_each_list_alone():
    model, is_first = make_model(), ROWS["query_id"] < 20
    lists = rk.data.lists({n: each[is_first] for n, each in ROWS.items()}, 7, query="query_id")
    loss = model.evaluate(lists, verbose=0, return_dict=True)
    losses = []
    for query in range(20):
        label = tf.constant([ROWS["label"][ROWS["query_id"] == query]])
        scores = tf.transpose(model(rows_of(query)))
        losses.append(rk.losses.SoftmaxLoss()(label, scores).numpy())
    np.testing.assert_allclose(loss["loss"], np.mean(losses), rtol=1e-5)


def test_training_learns_what_rows_alone_do_not_tell(trained):
    scorers = {"alone": train(make_model(attention=False)), "together": trained}
    found = rk.evaluation.compare_rankings(
        scorers, make_rows(100, seed=1), query="query_id", relevant=1.0
    )
    assert found.lines[0]["auc_low"] > 0


@pytest.mark.slow
def test_training_is_equal_on_replicas_and_streams(mirrored_strategy):
    data = rk.data.lists(ROWS, 8, query="query_id")
    batches = list(data)
    stream = tf.data.Dataset.from_generator(lambda: batches, output_signature=data.element_spec)
    single = make_model(dropout_rate=0.0)
    expected = single.fit(data, epochs=2, verbose=0).history
    with mirrored_strategy.scope():
        replicated = make_model(dropout_rate=0.0)
    for model, read in ((replicated, data), (make_model(dropout_rate=0.0), stream)):
        found = model.fit(read, epochs=2, verbose=0).history
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("name", ["m.keras", "1", "m.tflite"])
def test_files_have_the_scores_of_the_model(trained, exported, name):
    scorer = exported[name]
    for query in range(5):
        candidates = rows_of(query)
        expected = trained(candidates).numpy()[:, 0]
        np.testing.assert_allclose(np.ravel(scorer(candidates)), expected, atol=1e-5)
        ranked = rk.rank(scorer, {}, {**candidates, "row": np.arange(len(expected))})
        found = dict(sorted((each["row"], score) for each, score in ranked))
        np.testing.assert_allclose([*found.values()], expected, atol=1e-5)


def test_a_saved_model_says_that_it_compares_rows(exported):
    assert exported["1"].compares_rows
    assert exported["m.tflite"].compares_rows
    assert exported["1"].loaded.compares_rows.numpy()


@pytest.fixture(scope="module")
def with_users():
    """A model with a user, for several queries in one call."""
    features = {
        "user_id": L.IdEmbedding(["a", "b"], 5),
        "features": L.NormalizedNumbers.from_column(ROWS["features"]),
    }
    head = tf.keras.Sequential([L.CandidateAttention(1), L.DenseRatingHead([4])])
    return rk.ranking_network(features, head=head)


def test_each_of_several_queries_is_ranked_as_if_alone(with_users):
    candidates = [{**rows_of(query), "row": np.arange(len(rows_of(query)["features"]))}
                  for query in (1, 2, 3)]  # fmt: skip
    users, seen = ["a", "b", "unknown"], [{"row": [0]}, None, {"row": [1, 2]}]
    found = rk.rank(with_users, {"user_id": users}, candidates, k=3, exclude=seen)
    for user, columns, exclude, ranked in zip(users, candidates, seen, found, strict=True):
        alone = rk.rank(with_users, {"user_id": user}, columns, k=3, exclude=exclude)
        assert [each["row"] for each, _ in ranked] == [each["row"] for each, _ in alone]
        np.testing.assert_allclose([s for _, s in ranked], [s for _, s in alone], atol=1e-5)


def test_excluded_candidates_do_not_take_part(with_users):
    candidates = {**rows_of(1), "row": np.arange(len(rows_of(1)["features"]))}
    found = rk.rank(with_users, {"user_id": "a"}, candidates, exclude={"row": [0, 1]})
    fewer = {name: column[2:] for name, column in candidates.items()}
    expected = rk.rank(with_users, {"user_id": "a"}, fewer)
    assert [each["row"] for each, _ in found] == [each["row"] for each, _ in expected]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)


REFUSED = {
    "predict": lambda model: model.predict(ROWS, verbose=0),
    "predict_on_batch": lambda model: model.predict_on_batch(ROWS),
    "index": lambda model: rk.CandidateIndex(model, rows_of(1)),
    "iterator": lambda model: rk.rank(model, {}, iter([rows_of(1), rows_of(2)]), k=3),
    "save with an index": lambda model: rk.export.save(model, "1", candidates=rows_of(1)),
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_scores_rows_independently_is_refused(trained, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="scores rows independently.*CandidateAttention"):
        REFUSED[call](trained)
    assert not list(tmp_path.iterdir())


def test_losses_of_single_rows_are_refused(trained):
    model = rk.RankingModel(trained.network, label="label")
    with pytest.raises(ValueError, match="^loss must be a listwise loss, as CandidateAttention"):
        model.compile("adam", "mse")


def test_a_list_that_is_too_long_is_refused():
    layer = L.CandidateAttention(1, num_heads=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 8,192 rows.*Got: 8193"):
        layer(tf.zeros((8193, 2)))


def test_the_number_of_heads_divides_the_size_of_the_vectors():
    with pytest.raises(ValueError, match="^num_heads must be a divisor of 5"):
        L.CandidateAttention()(tf.zeros((2, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy):
    data = rk.data.lists(ROWS, 8, query="query_id")
    of_policy, expected = (
        make_model(each, dropout_rate=0.0).fit(data, epochs=8, verbose=0).history["loss"]
        for each in (policy, None)
    )
    np.testing.assert_allclose(of_policy, expected, rtol=0.03)


def test_evaluations_score_the_rows_of_a_query_together(trained, exported):
    scores = np.empty(len(ROWS["label"]), np.float32)
    for query in range(100):
        scores[ROWS["query_id"] == query] = trained(rows_of(query))[:, 0]
    arguments = {"query": "query_id", "label": "label", "relevant": 1.0, "num_bootstrap": 2}
    expected = rk.evaluate_ranking(scores, ROWS, **arguments).metrics
    for scorer in (trained, exported["1"], exported["m.tflite"]):
        found = rk.evaluate_ranking(scorer, ROWS, **arguments).metrics
        assert found == pytest.approx(expected, abs=1e-6)
    callback = rk.evaluation.RankingMetrics(ROWS, query="query_id", relevant=1.0)
    callback.set_model(trained)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs["val_auc"] == pytest.approx(expected["auc"], abs=1e-6)
    with pytest.raises(ValueError, match="without a query scores rows indep.*Pass query="):
        rk.evaluate_ranking(trained, ROWS, query=None, label="label")


def test_a_function_that_calls_the_model_says_that_it_compares_rows(trained):
    def score(columns):
        return trained(columns)

    arguments = {"query": "query_id", "label": "label", "relevant": 1.0, "num_bootstrap": 2}
    for call in (
        lambda: rk.evaluate_ranking(score, ROWS, **arguments),
        lambda: rk.rank(score, {"query_id": [1, 2]}, rows_of(1)),
    ):
        with pytest.raises(ValueError, match=r"^A scorer must say .* scorer\.compares_rows = True"):
            call()
    vars(score)["compares_rows"] = True
    found = rk.evaluate_ranking(score, ROWS, **arguments).metrics
    expected = rk.evaluate_ranking(trained, ROWS, **arguments).metrics
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_members_of_an_ensemble_score_all_rows_together():
    model = rk.ensemble([make_model().network, make_model().network])
    features = np.zeros((8193, 3), np.float32)
    with pytest.raises(ValueError, match="at most 8,192 rows"):
        rk.score_std(model, {"features": features})
