"""Mixed precision: raw numbers, labels and scores stay in float32 on every path."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
HALF = ("mixed_bfloat16", "mixed_float16")
half_policies = pytest.mark.parametrize("policy", HALF)
USERS = [f"u{i}" for i in range(8)]


@pytest.fixture
def set_policy():
    yield tf.keras.mixed_precision.set_global_policy
    tf.keras.mixed_precision.set_global_policy("float32")


def make_rows():
    """Numbers that half precision rounds, in raw features and in labels."""
    numbers = np.arange(64)
    return {
        "user_id": np.array(USERS, object)[numbers % 9 % 8],
        "year": (1930 + numbers % 71).astype(np.float32),
        "price": np.linspace(1.0, 70_000.0, 64, dtype=np.float32),
        "time": 1_700_000_000 + 3_600 * numbers,
        "weight": np.linspace(2_049.0, 70_000.0, 64, dtype=np.float32),
        "visits": np.linspace(2_049.0, 70_000.0, 64, dtype=np.float32).round(),
    }


def make_network(policy, seed=3, **kwargs):
    """A network with the same weights for every policy."""
    rows = make_rows()
    years = np.arange(1930.0, 1930 + len(USERS))
    of_user = L.NormalizedNumber(1933.0, 2.0, dtype=policy)
    l2 = tf.keras.regularizers.L2(0.01)
    features = {
        "user_id": L.IdEmbedding(USERS, 3, activity_regularizer=l2, dtype=policy),
        "birth": ("user_id", L.Attribute(USERS, years, of_user, default=1933.0, dtype=policy)),
        "year": L.NormalizedNumber(1965.0, 20.0, dtype=policy),
        "decade": ("year", L.BucketEmbedding([1959.5, 1999.5], 3, dtype=policy)),
        "price": L.NormalizedNumber.from_column(rows["price"], embedding_dim=2, dtype=policy),
        "time": L.NormalizedNumber.from_column(rows["time"], dtype=policy),
    }
    network = rk.models.tower(features, hidden_units=[8], dtype=policy, **kwargs)
    generator = np.random.default_rng(seed)
    network.set_weights([generator.normal(0, 0.5, each.shape) for each in network.get_weights()])
    return network


def make_model(policy, optimizer="adagrad", *, network=None, **kwargs):
    model = rk.RankingModel(network or make_network(policy), label="visits", sample_weight="weight")
    model.compile(optimizer, metrics=["RootMeanSquaredError"], **kwargs)
    return model


def rmse(model, batches):
    return model.evaluate(batches, verbose=0, return_dict=True)["root_mean_squared_error"]


@half_policies
def test_every_path_scores_alike(policy, set_policy, tmp_path):
    set_policy(policy)
    rows = make_rows()
    batches = rk.data.batches(rows, 16)
    features = {name: rows[name] for name in ("user_id", "year", "price", "time")}
    model = make_model(policy)
    expected = model.network({k: tf.constant(v) for k, v in features.items()}).numpy()
    assert expected.dtype == np.float32
    # The vectors are in half precision, with 8 or 11 significant bits, and the scores are not.
    full = make_network("float32")({k: tf.constant(v) for k, v in features.items()})
    bits = {"mixed_bfloat16": 8, "mixed_float16": 11}[policy]
    np.testing.assert_allclose(expected, full, atol=30 * 2.0**-bits)
    rk.export.save(model, tmp_path / "1")
    model.save(tmp_path / "model.keras")
    set_policy("float32")
    ranked = rk.rank(
        model, {"user_id": "u1"}, {k: rows[k] for k in ("year", "price", "time")}, k=64
    )
    as_u1 = {**features, "user_id": np.full(64, "u1", object)}
    by_position = model.predict(rk.data.batches(as_u1, 64), verbose=0)[:, 0]
    scores = {
        "call": model(features),
        "predict": model.predict(batches, verbose=0),
        "predict_on_batch": model.predict_on_batch(next(iter(batches))),
        "SavedModel": rk.export.load(tmp_path / "1")(features),
        ".keras": rk.export.load(tmp_path / "model.keras")(features),
        ".keras, trusted": tf.keras.models.load_model(tmp_path / "model.keras")(features),
    }
    for path, found in scores.items():
        np.testing.assert_allclose(found, expected[: len(found)], rtol=1e-6, err_msg=path)
    np.testing.assert_allclose(
        [score for _, score in ranked], np.sort(by_position)[::-1], rtol=1e-6
    )
    error = np.sqrt(np.mean((rows["visits"] - expected[:, 0].astype(float)) ** 2))
    for data in (batches, batches.map(dict)):
        assert rmse(model, data) == pytest.approx(error, rel=1e-6)


def fit(policy, optimizer, **kwargs):
    """Trains on rows in memory, or over an iterator; returns the weights and the history."""
    rows = {**make_rows(), "visits": np.linspace(1.0, 5.0, 64, dtype=np.float32)}
    features = {
        "user_id": L.IdEmbedding(USERS, 3, activity_regularizer="l2", dtype=policy),
        "price": L.NormalizedNumber(35_000.0, 20_000.0, embedding_dim=2, dtype=policy),
        "year": L.BucketEmbedding([1959.5, 1999.5], 2, dtype=policy),
    }
    network = rk.models.tower(features, hidden_units=[4], dtype=policy)
    generator = np.random.default_rng(3)
    initial = [generator.normal(0, 0.5, each.shape) for each in network.get_weights()]
    network.set_weights(initial)
    model = rk.RankingModel(network, label="visits")
    model.compile(optimizer, **kwargs)
    batches = rk.data.batches(rows, 16)
    history = model.fit(batches, epochs=4, verbose=0).history
    assert all(np.any(a != b) for a, b in zip(model.get_weights(), initial, strict=True))
    return [*model.get_weights(), history["loss"], history["regularization_loss"]]


@pytest.mark.parametrize(
    ("policy", "make_optimizer"),
    [
        ("mixed_bfloat16", lambda: "adagrad"),
        ("mixed_bfloat16", lambda: rk.optimizers.LazyAdam(0.1)),
        ("mixed_float16", lambda: rk.optimizers.LazyAdam(0.1)),
    ],
    ids=["bfloat16, Adagrad", "bfloat16, LazyAdam", "float16, LazyAdam"],
)
def test_rows_in_memory_train_as_over_an_iterator(policy, make_optimizer):
    expected = fit(policy, make_optimizer(), precompute_lookups=False)
    for a, b in zip(fit(policy, make_optimizer()), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@half_policies
@pytest.mark.slow
def test_steps_that_xla_compiles_train_alike(policy):
    expected = fit(policy, "adagrad")
    for a, b in zip(fit(policy, "adagrad", jit_compile=True), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0.01, atol=0.01)  # XLA rounds less often


def test_gradients_beyond_float16_are_reported():
    rows = {"x": ["u"], "visits": [1e6]}
    layer = L.IdEmbedding(["u"], 4, embeddings_initializer="ones", dtype="mixed_float16")
    network = rk.ranking_network({"x": layer}, head=L.DenseRatingHead([], dtype="mixed_float16"))
    network.layers[-1].set_weights([np.ones((4, 1)), np.zeros(1)])
    model = rk.RankingModel(network, label="visits")
    model.compile("sgd")  # the derivative of (4 - 1e6)**2 is beyond 65,504
    with pytest.warns(UserWarning, match=r"Gradients were beyond 65,504.*use mixed_bfloat16\."):
        model.fit(rk.data.batches(rows, 1), epochs=20, verbose=0)


@half_policies
@pytest.mark.parametrize("listwise", [False, True])
def test_labels_and_weights_are_not_rounded(policy, listwise, set_policy):
    """A constant score of 70,000: the mean error is known to the last digit."""
    set_policy(policy)
    rows = {"query": ["a", "a"], "x": ["u", "u"]}
    rows |= {"visits": [2_049.0, 70_000.0], "w": [1.0, 2_049.0]}
    layer = L.IdEmbedding(["u"], 1, embeddings_initializer="zeros")
    interaction = rk.interactions.FactorizationMachine(initial_bias=70_000.0)
    network = rk.ranking_network({"x": layer}, interaction=interaction)
    model = rk.RankingModel(network, label="visits", sample_weight="w")
    mean = tf.keras.metrics.MeanSquaredError()
    if listwise:
        loss = ListOfErrors()
        batches = rk.data.lists(rows, 1, query="query")
    else:
        loss, batches = "mse", rk.data.batches(rows, 2)
    model.compile("sgd", loss, metrics=[mean], weighted_metrics=[], run_eagerly=True)
    squares = (70_000.0 - 2_049.0) ** 2, 0.0
    found = model.evaluate(batches, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(squares[0] / (1 if listwise else 2), rel=1e-6)
    assert found["mean_squared_error"] == pytest.approx(squares[0] / 2, rel=1e-6)


class ListOfErrors(rk.losses.ListLoss):
    def call_on_lists(self, labels, scores, mask, weights):
        return tf.reduce_sum(weights * (labels - scores) ** 2, axis=1)


@pytest.mark.parametrize(
    ("policy", "model_policy"), [("mixed_float16", "float32"), ("mixed_bfloat16", "mixed_float16")]
)
def test_loss_is_scaled_where_layers_compute_in_float16(policy, model_policy, set_policy, tmp_path):
    network = make_network(policy)
    set_policy(model_policy)  # not that of the layers, as in a process that loads a file
    model = make_model(policy, network=network)
    is_scaled = isinstance(model.optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
    assert is_scaled == (policy == "mixed_float16")
    model.fit(rk.data.batches(make_rows(), 16), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    assert type(loaded.optimizer) is type(model.optimizer)
    for each in (model, loaded):
        each.fit(rk.data.batches(make_rows(), 16), verbose=0)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@half_policies
def test_architectures_that_add_scores_do_not_round_them(policy, set_policy):
    set_policy(policy)

    def features():
        layers = [L.IdEmbedding(USERS, 3, embeddings_initializer="zeros") for _ in range(2)]
        return dict(zip("ab", layers, strict=True))

    def machine():
        return rk.models.factorization_machine(features(), initial_bias=3.5299)

    networks = [
        machine(),
        rk.models.svd_plus_plus(features(), initial_bias=3.5299),
        rk.models.deepfm(features(), initial_bias=3.5299, hidden_units=[2]),
        rk.ensemble([machine(), machine()]),
    ]
    for network in networks:
        score = network({"a": tf.constant(["u1"]), "b": tf.constant(["u2"])})
        assert float(score[0, 0]) == np.float32(3.5299)


@half_policies
def test_members_of_long_lists_are_all_counted(policy):
    for num_rows in (3, 100_000):  # pooled by counts, and member by member
        layer = L.TagsEmbedding(range(1, num_rows), 1, pooling="sqrtn", dtype=policy)
        layer(np.ones((1, 5_000), int))
        layer.set_weights([np.full((num_rows, 1), 0.5)])
        found = float(layer(np.ones((1, 5_000), int))[0, 0])
        assert found == pytest.approx(0.5 * 5_000**0.5, rel=0.01)


@half_policies
def test_penalties_of_activities_do_not_overflow(policy):
    rows = make_rows()
    layer = L.IdEmbedding(USERS, 4, activity_regularizer="l2", dtype=policy)
    network = rk.ranking_network({"user_id": layer}, head=L.DenseRatingHead([], dtype=policy))
    layer.set_weights([np.full((9, 4), 300.0)])
    model = rk.RankingModel(network, label="visits")
    model.compile("sgd")
    found = model.evaluate(rk.data.batches(rows, 64), verbose=0, return_dict=True)
    # 0.01 * 4 * 300**2; the squares are beyond 65,504.
    assert found["regularization_loss"] == pytest.approx(3_600.0, rel=1e-6)
    assert layer.get_config() == type(layer).from_config(layer.get_config()).get_config()


@half_policies
def test_layers_of_keras_that_round_raw_numbers_or_scores_are_refused(policy):
    norm = tf.keras.layers.Normalization(axis=None, mean=1965.0, variance=400.0, dtype=policy)
    for layer in (norm, tf.keras.Sequential([norm])):
        layer.feature_spec = tf.TensorSpec((None, 1), tf.float32)
        with pytest.raises(ValueError, match=r"raw numbers of feature 'year' .* dtype='float32'\."):
            rk.ranking_network({"year": layer}, head=L.DenseRatingHead([]))
    kept = tf.keras.layers.Normalization(axis=None, mean=1965.0, variance=400.0, dtype="float32")
    kept.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    network = rk.ranking_network({"year": kept}, head=tf.keras.layers.Dense(1, dtype=policy))
    with pytest.raises(ValueError, match=r"The outputs .* layer 'dense\w*' of dtype='mixed"):
        rk.RankingModel(network, label="visits")


def test_tensorflow_lite_refuses_dense_layers_in_half_precision(tmp_path):
    features = {"user_id": L.IdEmbedding(USERS, 3, dtype="mixed_bfloat16")}
    dense = rk.models.tower(features, hidden_units=[4], dtype="mixed_bfloat16")
    rk.export.save(dense, tmp_path / "1")
    with pytest.raises(ValueError, match=r"Got: .*MatMul\. .*half precision, build .* float32"):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    features = {"user_id": L.IdEmbedding(USERS, 3, dtype="mixed_float16")}
    linear = rk.ranking_network(features, head=L.DenseRatingHead([], dtype="mixed_float16"))
    rk.export.save(linear, tmp_path / "2")
    rk.export.to_tflite(tmp_path / "2", tmp_path / "m.tflite")  # compares the scores


@half_policies
@pytest.mark.parametrize("listwise", [False, True])
def test_history_on_replicas_is_that_of_one(policy, listwise, set_policy, mirrored_strategy):
    set_policy(policy)
    rows = make_rows()
    loss = rk.losses.SoftmaxLoss() if listwise else "mse"
    batches = rk.data.lists(rows, 4, query="user_id") if listwise else rk.data.batches(rows, 16)
    histories = []
    for strategy in (tf.distribute.get_strategy(), mirrored_strategy):
        with strategy.scope():
            model = rk.RankingModel(make_network(policy), label="visits")
            model.compile("adagrad", loss, weighted_metrics=[])
        histories.append(model.fit(batches, verbose=0).history)
    for name in ("loss", "ndcg_at_10" if listwise else "root_mean_squared_error"):
        np.testing.assert_allclose(histories[1][name], histories[0][name], rtol=1e-3, err_msg=name)
