"""`RankingModel` with a single head: training, losses and metrics, batches, saving and errors."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
import tensorflow_recommenders as tfrs

USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2", "i3", "i4"]
FEATURES = ("user_id", "item_id")


def make_network(**kwargs):
    features = {
        "user_id": rk.layers.IdEmbedding(USERS, 4, **kwargs),
        "item_id": rk.layers.IdEmbedding(ITEMS, 4),
    }
    return rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))


def make_constant_network(score=0.0):
    """A network of users that gives every row the same score."""
    head = tf.keras.layers.Dense(
        1, kernel_initializer="zeros", bias_initializer=tf.keras.initializers.Constant(score)
    )
    return rk.ranking_network({"user_id": rk.layers.IdEmbedding(USERS, 1)}, head=head)


def make_rows(num_rows=50, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "user_id": generator.choice(USERS, num_rows),
        "item_id": generator.choice(ITEMS, num_rows),
        "rating": generator.integers(1, 6, num_rows).astype(np.float32),
        "weight": generator.random(num_rows).astype(np.float32),
    }


def dataset(columns, batch_size=16):
    return tf.data.Dataset.from_tensor_slices(columns).batch(batch_size)


def make_model(network=None, *, sample_weight=None, optimizer=None, **kwargs):
    model = rk.RankingModel(network or make_network(), label="rating", sample_weight=sample_weight)
    model.compile(optimizer=optimizer or tf.keras.optimizers.Adagrad(0.1), **kwargs)
    return model


@pytest.fixture(scope="module")
def start():
    """Weights to start from."""
    return make_network().get_weights()


def train(start, data, *, epochs=2, **settings):
    """Trains a network from the given weights, and returns the weights it ends with."""
    network = make_network()
    network.set_weights(start)
    make_model(network, **settings).fit(data, epochs=epochs, verbose=0)
    return network.get_weights()


@pytest.fixture(scope="module")
def trained(start):
    """The weights after training on the rows."""
    return train(start, dataset(make_rows()))


def evaluate(model, data):
    return model.evaluate(data, return_dict=True, verbose=0)


def assert_close(weights, expected, within=1e-6):
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=within)


# --- Training ---


class PlainTFRSModel(tfrs.Model):
    def __init__(self, network):
        super().__init__()
        self.network = network
        self.task = tfrs.tasks.Ranking(loss=tf.keras.losses.MeanSquaredError())

    def compute_loss(self, inputs, training=False):
        scores = self.network({name: inputs[name] for name in FEATURES}, training=training)
        return self.task(inputs["rating"][:, None], scores)


def test_training_gives_the_weights_of_a_plain_tfrs_model(start, trained):
    plain = PlainTFRSModel(make_network())
    plain.network.set_weights(start)
    plain.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    plain.fit(dataset(make_rows()), epochs=2, verbose=0)
    assert_close(trained, plain.network.get_weights())
    model = make_model()
    assert isinstance(model, tfrs.models.Model)
    assert isinstance(model.task, tfrs.tasks.Ranking)


@pytest.mark.parametrize("settings", [{"steps_per_execution": 3}, {"run_eagerly": True}], ids=str)
def test_several_steps_per_execution_and_eager_steps_give_the_same_weights(
    start, trained, settings
):
    assert_close(train(start, dataset(make_rows()), **settings), trained)


def test_several_steps_are_traced_once_and_add_no_variable():
    class CountingModel(rk.RankingModel):
        traced = 0

        def train_step(self, inputs):
            self.traced += 1
            return super().train_step(inputs)

    model = CountingModel(make_network(), label="rating")
    model.compile("adagrad", steps_per_execution=4)
    before = [variable.name for variable in model.variables]
    model.fit(dataset(make_rows()), epochs=2, verbose=0)
    assert model.traced == 1
    assert [variable.name for variable in model.variables] == before


def test_planted_ratings_are_learned_to_within_three_percent_of_the_best():
    columns, best_rmse = rk.data.synthetic_ratings(100_000, seed=3)
    train, test = rk.data.random_split(columns, test_fraction=0.2, seed=3)
    features = {name: rk.layers.IdEmbedding.from_column(train[name], 32) for name in FEATURES}
    network = rk.models.tower(features, hidden_units=[64, 32])
    model = rk.RankingModel(network, label="user_rating")
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.2))
    model.fit(rk.data.batches(train, 256, shuffle=True, seed=3), epochs=11, verbose=0)
    found = evaluate(model, rk.data.batches(test, 4096))
    assert found["root_mean_squared_error"] < 1.03 * best_rmse


def test_id_dropout_trains_the_embedding_of_unknown_ids():
    """An unknown user is scored about as well as by the mean rating of the item."""
    columns, _ = rk.data.synthetic_ratings(10_000, num_users=50, num_items=40, seed=1)
    train, test = rk.data.random_split(columns, test_fraction=0.2, seed=1)
    features = {
        name: rk.layers.IdEmbedding.from_column(train[name], 16, id_dropout_rate=0.2)
        for name in FEATURES
    }
    network = rk.models.tower(features, hidden_units=[64])
    model = rk.RankingModel(network, label="user_rating")
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.05))
    model.fit(rk.data.batches(train, 128, shuffle=True, seed=1), epochs=10, verbose=0)
    unknown = {**test, "user_id": np.array(["unknown"] * len(test["user_id"]), object)}
    rmse = evaluate(model, rk.data.batches(unknown, 1024))["root_mean_squared_error"]
    means = [train["user_rating"][train["item_id"] == item].mean() for item in test["item_id"]]
    errors = means - test["user_rating"]
    assert rmse < 1.01 * np.sqrt(np.mean(errors**2))


# --- Losses and metrics ---


def test_loss_is_the_mean_over_the_examples_of_the_epoch():
    # Scores are 0; the batches have losses of 4 and 0, and the last batch is smaller.
    columns = {"user_id": ["u1"] * 3, "rating": [2.0, 2.0, 0.0]}
    model = make_model(make_constant_network(), optimizer=tf.keras.optimizers.SGD(0.0))
    found = evaluate(model, dataset(columns, 2))
    assert found["loss"] == pytest.approx(8 / 3)
    assert found["root_mean_squared_error"] == pytest.approx((8 / 3) ** 0.5)
    history = model.fit(dataset(columns, 2), validation_data=dataset(columns, 2), verbose=0).history
    assert history["loss"] == history["val_loss"] == pytest.approx([8 / 3])


def test_regularization_is_reported_and_added_to_the_total_loss_once():
    regularizer = tf.keras.regularizers.L2(0.1)
    model = make_model(make_network(embeddings_regularizer=regularizer), run_eagerly=True)
    found = evaluate(model, dataset(make_rows()))
    expected = 0.1 * np.sum(model.trainable_variables[0].numpy() ** 2)
    assert found["regularization_loss"] == pytest.approx(expected, rel=1e-5)
    assert found["total_loss"] == pytest.approx(found["loss"] + expected, rel=1e-5)


def test_sample_weights_weight_the_loss_and_weighted_metrics_only():
    columns = {"user_id": ["u1"] * 4, "rating": [1.0, 1.0, 3.0, 3.0], "weight": [1.0, 1.0, 0, 0]}
    model = make_model(
        make_constant_network(),
        sample_weight="weight",
        metrics=[tf.keras.metrics.RootMeanSquaredError("rmse")],
        weighted_metrics=[tf.keras.metrics.RootMeanSquaredError("weighted_rmse")],
        run_eagerly=True,
    )
    found = evaluate(model, dataset(columns, 3))
    assert found["loss"] == pytest.approx((1 + 1 + 0 + 0) / 4)  # over all examples, as in Keras
    assert found["rmse"] == pytest.approx(((1 + 1 + 9 + 9) / 4) ** 0.5)
    assert found["weighted_rmse"] == pytest.approx(1.0)


def test_example_of_weight_two_trains_as_two_examples(start):
    one = {"user_id": ["u1", "u2"], "item_id": ["i1", "i2"], "rating": [5.0, 1.0]}
    weighted = {**one, "weight": [4 / 3, 2 / 3]}
    doubled = {name: [column[0], column[0], column[1]] for name, column in one.items()}
    found = train(start, dataset(weighted, 3), sample_weight="weight", run_eagerly=True)
    expected = train(start, dataset(doubled, 3), run_eagerly=True)
    assert_close(found, expected, within=1e-5)


@pytest.mark.parametrize(
    "loss", ["mae", tf.keras.losses.MeanAbsoluteError(), tf.keras.losses.mean_absolute_error]
)
def test_loss_is_a_name_an_object_or_a_function(loss):
    columns = {"user_id": ["u1"] * 2, "rating": [1.0, 3.0]}
    model = make_model(make_constant_network(), loss=loss, run_eagerly=True)
    found = evaluate(model, dataset(columns, 1))
    assert found["loss"] == pytest.approx(2.0)
    assert getattr(loss, "reduction", "auto") == "auto"  # the passed object is not changed


def test_losses_and_metrics_are_called_by_position():
    def squared(labels, scores):
        return tf.square(labels - scores)[:, 0]

    class Largest(tf.keras.metrics.Metric):
        def __init__(self):
            super().__init__("largest")
            self.value = self.add_weight("value", initializer="zeros")

        def update_state(self, labels, scores, sample_weight=None):
            self.value.assign(tf.maximum(self.value, tf.reduce_max(tf.abs(labels - scores))))

        def result(self):
            return self.value

    class Loss(tf.keras.losses.Loss):
        def __call__(self, labels, scores, sample_weight=None):
            return squared(labels, scores)

    logs = []
    for loss in (squared, Loss()):
        metrics = {"metrics": [squared, Largest()], "weighted_metrics": []}
        model = make_model(loss=loss, **metrics, run_eagerly=True)
        logs.append(evaluate(model, dataset(make_rows())))
        model.fit(dataset(make_rows()), verbose=0)
        assert logs[-1]["squared"] == pytest.approx(logs[-1]["loss"])
        assert logs[-1]["largest"] ** 2 >= logs[-1]["loss"] > 0.0
    assert logs[0]["loss"] > 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        {"weighted_metrics": [tf.keras.metrics.RootMeanSquaredError()]},
        {"metrics": ["mae"], "weighted_metrics": ["mae"]},
        {"metrics": [tf.keras.metrics.MeanAbsoluteError(name="loss")]},
    ],
    ids=["default metric", "named metric", "name of the loss"],
)
def test_metrics_of_the_same_name_raise(arguments):
    with pytest.raises(ValueError, match=r"^The name of each metric must.* Got: '\w+'\. Rename"):
        make_model(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"loss": object()}, TypeError, "loss must be a tf.keras loss"),
        ({"loss": tf.keras.losses.Huber}, TypeError, r"loss is the class Huber. .* Huber\(\)"),
        ({"loss": "mse_"}, ValueError, "Unknown loss 'mse_'. Nearest in tf.keras.losses: .*'mse'"),
        ({"loss": "abc"}, ValueError, "Unknown loss 'abc'"),  # a module in the namespace of Keras
        ({"metrics": "mae"}, TypeError, "metrics must be a list of tf.keras metrics"),
        ({"weighted_metrics": [3]}, TypeError, "weighted_metrics must be a list of tf.keras metr"),
        ({"metrics": ["rmse_"]}, ValueError, "Unknown metric 'rmse_'. Nearest in tf.keras.metrics"),
        ({"metrics": ["accuracy"]}, ValueError, "metrics must be metrics with an explicit.*'accur"),
        ({"loss_weights": [2.0]}, ValueError, "loss_weights must be None"),
    ],
)
def test_unsuitable_arguments_of_compile_raise(arguments, error, text):
    with pytest.raises(error, match=f"^{text}"):
        make_model(**arguments)


# --- Batches ---


def test_dicts_and_tuples_of_columns_train_the_same(start):
    columns = make_rows()
    features = {name: columns[name] for name in FEATURES}
    expected = train(start, dataset(columns), sample_weight="weight", run_eagerly=True)
    for labels in (columns["rating"], columns["rating"][:, None]):
        data = dataset((features, labels, columns["weight"]))
        assert_close(train(start, data, run_eagerly=True), expected)


def test_arrays_train_as_in_keras():
    columns = make_rows()
    features = {name: columns[name] for name in FEATURES}
    model = make_model(metrics=["mae"], run_eagerly=True)
    history = model.fit(features, columns["rating"], batch_size=16, epochs=2, verbose=0)
    assert len(history.history["mae"]) == 2
    model.fit(features, columns["rating"], sample_weight=columns["weight"], verbose=0)
    assert model.predict(features, verbose=0).shape == (50, 1)


def test_batch_is_not_changed():
    batch = {name: tf.constant(column) for name, column in make_rows().items()}
    before = dict(batch)
    model = make_model(sample_weight="weight", run_eagerly=True)
    model.compute_loss(batch)
    model.train_on_batch(batch)
    assert batch.keys() == before.keys()
    assert all(batch[name] is before[name] for name in batch)


def test_columns_that_are_not_features_are_ignored():
    columns = {name: column[:2] for name, column in make_rows().items()}
    data = tf.data.Dataset.from_tensors({**columns, "genres": tf.ragged.constant([["Drama"], []])})
    model = make_model(run_eagerly=True)
    model.fit(data, verbose=0)
    assert model.predict(data, verbose=0).shape == (2, 1)


def test_labels_of_one_dimension_are_not_broadcast():
    # Errors are 0 and 0; broadcast to (2, 2) they would be 0, 4, 4 and 0.
    layers = {"user_id": rk.layers.IdEmbedding(["a", "b"], 1)}
    model = make_model(rk.ranking_network(layers, head=lambda vector: vector))
    model.network.set_weights([np.array([[0.0], [1.0], [3.0]])])
    batch = {"user_id": tf.constant(["a", "b"]), "rating": tf.constant([1.0, 3.0])}
    assert model.compute_loss(batch) == 0.0


@pytest.mark.parametrize(
    ("labels", "weights", "text"),
    [
        ([1.0], None, "label per row. Got: 1 labels for 3 rows."),
        ([1.0, 2.0, 3.0], [2.0], "sample weight per row. Got: 1 sample weights for 3 rows."),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "sample weight per row. Got: 2 sample weights for 3"),
    ],
)
def test_fewer_labels_or_weights_than_rows_raise(labels, weights, text):
    batch = ({"user_id": ["u1", "u2", "u3"]}, labels, *([weights] if weights else []))
    with pytest.raises(ValueError, match=f"^There must be one {text}"):
        make_model(make_constant_network()).fit(tf.data.Dataset.from_tensors(batch), verbose=0)


@pytest.mark.parametrize(
    ("labels", "error", "text"),
    [
        ([1.0, np.nan], ValueError, "Label 'rating' must be finite. Got: NaN or inf. Drop or fix"),
        (["good", "bad"], TypeError, "Label 'rating' must be numbers. Got: 'string'. Convert"),
        ([[1.0, 2.0], [1.0, 2.0]], TypeError, "Label 'rating' must be of shape"),
    ],
)
def test_unsuitable_labels_raise_and_change_no_weight(labels, error, text):
    data = dataset({"user_id": ["u1", "u2"], "rating": labels})
    model = make_model(make_constant_network())
    before = model.get_weights()
    calls = [(model.fit, data), (model.evaluate, data), (model.train_on_batch, next(iter(data)))]
    for method, given in calls:
        with pytest.raises(error, match=f"^{text}"):
            method(given)
    assert_close(model.get_weights(), before, within=0.0)


@pytest.mark.parametrize(
    ("weight", "text"), [(np.inf, "must be finite"), (-1.0, "must be at least 0. Got: a negative")]
)
def test_unsuitable_sample_weights_raise(weight, text):
    data = dataset({"user_id": ["u1"], "rating": [1.0], "weight": [weight]})
    with pytest.raises(ValueError, match=f"^Sample weight 'weight' {text}"):
        make_model(make_constant_network(), sample_weight="weight").fit(data, verbose=0)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (("user_id", "weight"), "Missing label 'rating'. .*Got: 'user_id', 'weight'"),
        (("user", "rating", "weight"), "Missing feature 'user_id'.*Did you mean 'user'?"),
        (("user_id", "rating"), "Missing sample_weight 'weight'"),
    ],
)
def test_missing_columns_are_named(columns, text):
    values = {"user_id": ["u1"], "user": ["u1"], "rating": [1.0], "weight": [1.0]}
    model = make_model(make_constant_network(), sample_weight="weight")
    with pytest.raises(ValueError, match=f"^{text}"):
        model.fit(dataset({name: values[name] for name in columns}), verbose=0)


def test_unsuitable_data_raises():
    model = make_model(make_constant_network())
    with pytest.raises(ValueError, match="^Missing feature 'user_id'"):
        model.predict(dataset({"item_id": ["i1"]}), verbose=0)
    with pytest.raises(TypeError, match="^A batch must be a dict of columns"):
        model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)
    text = r"^class_weight must be None\. Got: .*Make a column of weights"
    with pytest.raises(ValueError, match=text):
        model.fit(dataset(make_rows()), class_weight={0: 1.0}, verbose=0)
    pair = {"user_id": np.array(["u1"])}, np.array([1.0])
    calls = [
        lambda: model.fit(*pair, 1, 1, 0, None, 0.0, None, True, {1: 2.0}),  # by position
        lambda: model.train_on_batch(*pair, class_weight={1: 2.0}),
        lambda: model.train_on_batch(*pair, None, {1: 2.0}),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(ValueError, match="at least one row. Got: 0 rows"):
        model.fit(dataset({"user_id": ["u1"], "rating": [1.0]}).take(0), verbose=0)
    layers = {"id": rk.layers.IdEmbedding([10, 11], 2)}
    model = make_model(rk.ranking_network(layers, head=rk.layers.DenseRatingHead([])))
    with pytest.raises(TypeError, match="^Column 'id' has dtype float32, but .* integers"):
        model.fit(dataset({"id": [10.7, np.nan], "rating": [1.0, 2.0]}), verbose=0)


def test_unsuitable_arguments_of_the_model_raise():
    wide = rk.ranking_network({"id": rk.layers.IdEmbedding(["a"], 3)}, head=lambda vector: vector)
    with pytest.raises(ValueError, match=r"^network.output_shape must be .* Got: .*\(None, 3\)"):
        rk.RankingModel(wide, label="rating")
    with pytest.raises(ValueError, match="^label must be a column that is not a feature"):
        rk.RankingModel(make_constant_network(), label="user_id")
    with pytest.raises(ValueError, match="^sample_weight must be a column other than the label"):
        rk.RankingModel(make_network(), label="rating", sample_weight="rating")


# --- Saving ---


def test_loaded_model_continues_as_the_saved_one(reload):
    data = dataset(make_rows())
    model = make_model(
        sample_weight="weight",
        loss=tf.keras.losses.Huber(2.0),
        metrics=["mae", tf.keras.metrics.RootMeanSquaredError(name="rmse")],
    )
    model.fit(data, epochs=2, verbose=0)
    model.optimizer.learning_rate = 0.025
    loaded = reload(model)
    assert isinstance(loaded, rk.RankingModel)
    assert loaded.optimizer.learning_rate.numpy() == pytest.approx(0.025)
    np.testing.assert_array_equal(loaded.predict(data, verbose=0), model.predict(data, verbose=0))
    history, expected = (each.fit(data, epochs=2, verbose=0).history for each in (loaded, model))
    assert history == expected
    assert_close(loaded.get_weights(), model.get_weights(), within=0.0)


def test_legacy_optimizer_is_saved(reload):
    model = make_model(optimizer=tf.keras.optimizers.legacy.Adam(0.01), run_eagerly=True)
    model.fit(dataset(make_rows()), verbose=0)
    loaded = reload(model)
    loaded.fit(dataset(make_rows()), verbose=0)
    assert isinstance(loaded.optimizer, tf.keras.optimizers.legacy.Adam)


def test_uncompiled_model_is_saved(reload):
    loaded = reload(rk.RankingModel(make_network(), label="rating", name="mine"))
    assert (loaded.name, loaded.label) == ("mine", "rating")


def test_model_is_loaded_under_a_strategy(reload, mirrored_strategy):
    model = make_model()
    model.fit(dataset(make_rows()), verbose=0)
    with mirrored_strategy.scope():
        loaded = reload(model)
    batches = rk.data.batches(make_rows(), 16)
    found, expected = (each.fit(batches, verbose=0).history["loss"] for each in (loaded, model))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "name"),
    [("save", "m.keras"), ("save_weights", "m.weights.h5"), ("save_weights", "m.h5")],
)
def test_failed_save_leaves_the_old_file(method, name, tmp_path, monkeypatch):
    model = make_model()
    model.evaluate(dataset(make_rows()), verbose=0)
    path, save = tmp_path / name, getattr(model, method)
    save(path)
    before = path.read_bytes()

    def fail_on_a_full_disk(self, path, *args, **kwargs):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.keras.Model, method, fail_on_a_full_disk)
    with pytest.raises(OSError, match=rf"{name} cannot be written \(No space left"):
        save(path)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == before


def test_weights_are_saved_in_every_format(tmp_path):
    model, other = make_model(), make_model()
    model.fit(dataset(make_rows()), verbose=0)
    other.evaluate(dataset(make_rows()), verbose=0)
    for name in ("m.weights.h5", "m.h5", "checkpoint"):
        for _ in range(2):  # the second time replaces the first
            model.save_weights(tmp_path / name)
        other.set_weights([0 * weight for weight in other.get_weights()])
        other.load_weights(tmp_path / name)
        for found, expected in zip(other.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["folder", "m.h5"])
def test_other_formats_raise(tmp_path, name):
    text = r"^filepath must be a path that ends in \.keras.*rankkit\.export\.save"
    with pytest.raises(ValueError, match=text):
        make_model().save(tmp_path / name)
