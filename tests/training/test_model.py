import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2", "i3", "i4"]


def network(**kwargs):
    return rk.ranking_network(
        {
            "user_id": rk.layers.IdEmbedding(USERS, 4, **kwargs),
            "item_id": rk.layers.IdEmbedding(ITEMS, 4),
        },
        head=rk.layers.DenseRatingHead([8]),
    )


def constant_network(value=0.0):
    """Scores every row alike, whatever comes."""
    return rk.ranking_network(
        {"user_id": rk.layers.IdEmbedding(USERS, 1)},
        head=tf.keras.layers.Dense(
            1, kernel_initializer="zeros", bias_initializer=tf.keras.initializers.Constant(value)
        ),
    )


def rows(num_rows=50, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "user_id": generator.choice(USERS, num_rows),
        "item_id": generator.choice(ITEMS, num_rows),
        "rating": generator.integers(1, 6, num_rows).astype(np.float32),
        "weight": generator.random(num_rows).astype(np.float32),
    }


def dataset(columns, batch_size=16):
    return tf.data.Dataset.from_tensor_slices(columns).batch(batch_size)


def compiled(net=None, *, sample_weight=None, optimizer=None, **kwargs):
    model = rk.RankingModel(net or network(), label="rating", sample_weight=sample_weight)
    model.compile(optimizer=optimizer or tf.keras.optimizers.Adagrad(0.1), **kwargs)
    return model


def weights(model):
    return [variable.numpy() for variable in model.trainable_variables]


def test_training_is_what_tfrs_does_on_one_device():
    """The same steps as a plain `tfrs.Model` with a mean squared error, weight for weight."""
    import tensorflow_recommenders as tfrs

    class Plain(tfrs.Model):
        def __init__(self, net):
            super().__init__()
            self.net = net
            self.task = tfrs.tasks.Ranking(loss=tf.keras.losses.MeanSquaredError())

        def compute_loss(self, inputs, training=False):
            features = {name: inputs[name] for name in ("user_id", "item_id")}
            return self.task(inputs["rating"][:, None], self.net(features, training=training))

    ours, theirs = network(), network()
    theirs.set_weights(ours.get_weights())
    plain = Plain(theirs)
    plain.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    columns = {name: rows()[name] for name in ("user_id", "item_id", "rating")}
    plain.fit(dataset(columns), epochs=2, verbose=0)
    compiled(ours).fit(dataset(columns), epochs=2, verbose=0)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_task_is_tfrs_ranking():
    import tensorflow_recommenders as tfrs

    assert isinstance(compiled().task, tfrs.tasks.Ranking)
    assert isinstance(compiled(), tfrs.models.Model)


def test_loss_is_the_mean_of_the_epoch_not_of_the_last_batch():
    # Predictions are 0; the batches' losses are 4 and 0, and the last batch is the smaller one.
    columns = {"user_id": ["u1"] * 3, "rating": [2.0, 2.0, 0.0]}
    model = compiled(constant_network())
    logs = model.evaluate(dataset(columns, 2), return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(8 / 3)
    assert logs["root_mean_squared_error"] == pytest.approx((8 / 3) ** 0.5)
    frozen = compiled(constant_network(), optimizer=tf.keras.optimizers.SGD(0.0))
    history = frozen.fit(dataset(columns, 2), validation_data=dataset(columns, 2), verbose=0)
    assert history.history["loss"] == pytest.approx([8 / 3])
    assert history.history["val_loss"] == pytest.approx([8 / 3])


def test_regularization_is_reported_and_added_once():
    regularizer = tf.keras.regularizers.L2(0.1)
    model = compiled(
        network(embeddings_regularizer=regularizer), optimizer=tf.keras.optimizers.SGD(0.0)
    )
    logs = model.evaluate(dataset(rows()), return_dict=True, verbose=0)
    expected = 0.1 * np.sum(weights(model)[0] ** 2)
    assert logs["regularization_loss"] == pytest.approx(expected, rel=1e-5)
    assert logs["total_loss"] == pytest.approx(logs["loss"] + expected, rel=1e-5)


def test_weights_weight_the_loss_and_not_the_metrics():
    columns = {"user_id": ["u1"] * 4, "rating": [1.0, 1.0, 3.0, 3.0], "weight": [1.0, 1.0, 0, 0]}
    model = compiled(
        constant_network(),
        sample_weight="weight",
        metrics=[tf.keras.metrics.RootMeanSquaredError("rmse")],
        weighted_metrics=[tf.keras.metrics.RootMeanSquaredError("weighted_rmse")],
    )
    logs = model.evaluate(dataset(columns, 3), return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx((1 + 1 + 0 + 0) / 4)  # over the examples, as in Keras
    assert logs["rmse"] == pytest.approx(((1 + 1 + 9 + 9) / 4) ** 0.5)
    assert logs["weighted_rmse"] == pytest.approx(1.0)


def test_an_example_of_weight_two_trains_as_two_examples_do():
    one = {"user_id": ["u1", "u2"], "item_id": ["i1", "i2"], "rating": [5.0, 1.0]}
    weighted = {**one, "weight": [4 / 3, 2 / 3]}
    doubled = {name: [column[0], column[0], column[1]] for name, column in one.items()}
    net, twin = network(), network()
    twin.set_weights(net.get_weights())
    compiled(net, sample_weight="weight").fit(dataset(weighted, 3), epochs=3, verbose=0)
    compiled(twin).fit(dataset(doubled, 3), epochs=3, verbose=0)
    for ours, theirs in zip(net.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("weight", [None, "weight"])
def test_all_shapes_of_a_batch_train_alike(weight):
    columns = rows()
    features = {name: columns[name] for name in ("user_id", "item_id")}
    parts = (features, columns["rating"], *([columns["weight"]] if weight else []))
    column = (features, columns["rating"][:, None], *([columns["weight"]] if weight else []))
    start = network().get_weights()

    def trained(**fit):
        net = network()
        net.set_weights(start)
        named = weight if "x" in fit and isinstance(fit["x"].element_spec, dict) else None
        compiled(net, sample_weight=named).fit(**fit, epochs=2, verbose=0, shuffle=False)
        return net.get_weights()

    one = trained(x=dataset(columns))
    for other in (trained(x=dataset(parts)), trained(x=dataset(column))):
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_arrays_train_as_in_keras():
    columns = rows()
    features = {name: columns[name] for name in ("user_id", "item_id")}
    model = compiled(metrics=["mae"])
    history = model.fit(features, columns["rating"], batch_size=16, epochs=2, verbose=0)
    assert len(history.history["mae"]) == 2
    model.fit(features, columns["rating"], sample_weight=columns["weight"], verbose=0)
    assert model.predict(features, verbose=0).shape == (50, 1)


def test_the_callers_batch_is_left_as_it_is():
    batch = {name: tf.constant(column) for name, column in rows().items()}
    before = dict(batch)
    model = compiled(sample_weight="weight")
    model.compute_loss(batch)
    model.train_on_batch(batch)
    assert batch.keys() == before.keys()
    assert all(batch[name] is before[name] for name in batch)


def test_labels_of_one_dimension_are_not_broadcast():
    # Errors of 0 and 0; broadcast to (2, 2) they would be 0, 4, 4 and 0.
    model = compiled(
        rk.ranking_network(
            {"user_id": rk.layers.IdEmbedding(["a", "b"], 1)}, head=lambda vector: vector
        )
    )
    model.network.set_weights([np.array([[0.0], [1.0], [3.0]])])
    columns = {"user_id": ["a", "b"], "rating": [1.0, 3.0]}
    assert model.evaluate(dataset(columns), return_dict=True, verbose=0)["loss"] == 0.0


def test_labels_that_are_too_few_are_refused():
    features = tf.data.Dataset.from_tensors({"user_id": ["u1", "u2", "u3"]})
    model = compiled(constant_network())
    with pytest.raises(
        ValueError,
        match="labels must be one a row of scores. Got: fewer or more than the batch has rows.$",
    ):
        model.evaluate(tf.data.Dataset.zip((features, tf.data.Dataset.from_tensors([1.0]))))


def test_logits_need_no_silent_probabilities():
    columns = {"user_id": ["u1"], "rating": [1.0]}
    model = compiled(constant_network(3.0), loss=tf.keras.losses.BinaryCrossentropy(True))
    logs = model.evaluate(dataset(columns), return_dict=True, verbose=0)
    assert logs["loss"] == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-4)  # 0.0486


@pytest.mark.parametrize(
    "loss", ["mae", tf.keras.losses.MeanAbsoluteError(), tf.keras.losses.mean_absolute_error]
)
def test_a_loss_may_be_a_name_an_object_or_a_function(loss):
    columns = {"user_id": ["u1"] * 2, "rating": [1.0, 3.0]}
    logs = compiled(constant_network(), loss=loss).evaluate(
        dataset(columns, 1), return_dict=True, verbose=0
    )
    assert logs["loss"] == pytest.approx(2.0)
    if isinstance(loss, tf.keras.losses.Loss):
        assert loss.reduction == "auto"  # the caller's object is left as it is


def test_losses_and_metrics_of_the_wrong_kind_are_named():
    with pytest.raises(TypeError, match="loss must be a tf.keras loss"):
        compiled(loss=object())
    with pytest.raises(TypeError, match="metrics must be a list of tf.keras metrics"):
        compiled(metrics="mae")
    with pytest.raises(TypeError, match="weighted_metrics must be a list of tf.keras metrics"):
        compiled(weighted_metrics=[3])


def test_callbacks_validation_and_early_stopping_work():
    model = compiled(optimizer=tf.keras.optimizers.SGD(0.0))
    history = model.fit(
        dataset(rows()),
        validation_data=dataset(rows(seed=1)),
        epochs=9,
        verbose=0,
        callbacks=[tf.keras.callbacks.EarlyStopping("val_root_mean_squared_error", patience=2)],
    )
    assert len(history.history["val_loss"]) == 3  # the first is the best, two more of patience


def test_columns_beyond_the_features_are_ignored():
    ragged = tf.ragged.constant([["Drama"], []])
    batch = {
        "user_id": tf.constant(["u1", "u2"]),
        "item_id": tf.constant(["i1", "i2"]),
        "rating": tf.constant([1.0, 2.0]),
        "genres": ragged,
    }
    data = tf.data.Dataset.from_tensors(batch)
    model = compiled()
    model.fit(data, verbose=0)
    assert model.predict(data, verbose=0).shape == (2, 1)


def test_unknown_ids_score_as_their_row_and_it_can_be_trained():
    """With id dropout an unknown user is scored as well as by the item's mean rating."""
    columns, _ = rk.data.synthetic_ratings(20_000, num_users=50, num_items=40, seed=1)
    train, test = rk.data.random_split(columns, test_fraction=0.2, seed=1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), 16, id_dropout_rate=0.2)
        for name in ("user_id", "item_id")
    }
    model = rk.RankingModel(
        rk.ranking_network(features, head=rk.layers.DenseRatingHead([64])), label="user_rating"
    )
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.05))
    model.fit(rk.data.batches(train, 256, shuffle=True, seed=1), epochs=10, verbose=0)
    strangers = {**test, "user_id": np.array(["nobody"] * len(test["user_id"]), object)}
    rmse = model.evaluate(rk.data.batches(strangers, 1024), return_dict=True, verbose=0)[
        "root_mean_squared_error"
    ]
    means = {
        item: train["user_rating"][train["item_id"] == item].mean()
        for item in set(train["item_id"])
    }
    bias = np.array([means[item] for item in test["item_id"]])
    assert rmse < 1.01 * np.sqrt(np.mean((bias - test["user_rating"]) ** 2))


def test_a_planted_data_set_is_learned_to_within_three_percent_of_the_best():
    columns, best_rmse = rk.data.synthetic_ratings(100_000, seed=3)
    train, test = rk.data.random_split(columns, test_fraction=0.2, seed=3)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), 32)
        for name in ("user_id", "item_id")
    }
    model = rk.RankingModel(
        rk.ranking_network(features, head=rk.layers.DenseRatingHead([64, 32])),
        label="user_rating",
    )
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.2))
    model.fit(rk.data.batches(train, 256, shuffle=True, seed=3), epochs=11, verbose=0)
    rmse = model.evaluate(rk.data.batches(test, 4096), return_dict=True, verbose=0)[
        "root_mean_squared_error"
    ]
    assert rmse < 1.03 * best_rmse


@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([1.0, np.nan], ValueError, "label 'rating' must be finite. Got: NaN"),
        ([1.0, np.inf], ValueError, "label 'rating' must be finite. Got: NaN or an infinite"),
        (["good", "bad"], TypeError, "label 'rating' must be numbers. Got: .*'string'"),
        ([[1.0, 2.0], [1.0, 2.0]], TypeError, "label 'rating' must be one number a row"),
    ],
)
def test_labels_that_cannot_be_learned_are_named(labels, error, words):
    data = dataset({"user_id": ["u1", "u2"], "rating": labels})
    for run in (compiled(constant_network()).fit, compiled(constant_network()).evaluate):
        with pytest.raises(error, match=f"^{words}"):
            run(data, verbose=0)


@pytest.mark.parametrize(
    ("weight", "words"), [(np.nan, "must be finite"), (-1.0, "must be at least 0. Got: a negative")]
)
def test_weights_that_cannot_be_are_named(weight, words):
    data = dataset({"user_id": ["u1"], "rating": [1.0], "weight": [weight]})
    with pytest.raises(ValueError, match=f"^sample_weight 'weight' {words}"):
        compiled(constant_network(), sample_weight="weight").fit(data, verbose=0)


def test_nothing_is_lost_by_a_bad_batch():
    model = compiled(constant_network())
    before = weights(model)
    with pytest.raises(ValueError, match="finite"):
        model.fit(dataset({"user_id": ["u1"], "rating": [np.nan]}), verbose=0)
    for ours, theirs in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"user_id": ["u1"], "score": [1.0]}, "Missing label 'rating'. .*Got: 'user_id', 'score'"),
        ({"user": ["u1"], "rating": [1.0]}, "Missing feature 'user_id'.*Did you mean 'user'?"),
    ],
)
def test_missing_columns_are_named(columns, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        compiled(constant_network()).fit(dataset(columns), verbose=0)


def test_a_missing_weight_and_a_missing_query_column_are_named():
    model = compiled(constant_network(), sample_weight="weight")
    with pytest.raises(ValueError, match="^Missing sample_weight 'weight'"):
        model.fit(dataset({"user_id": ["u1"], "rating": [1.0]}), verbose=0)
    with pytest.raises(ValueError, match="^Missing feature 'user_id'"):
        model.predict(dataset({"item_id": ["i1"]}), verbose=0)


def test_a_batch_without_names_is_refused():
    with pytest.raises(TypeError, match="^batch must be a dict of columns"):
        compiled(constant_network()).fit(np.zeros((2, 2)), np.zeros(2), verbose=0)


def test_an_empty_data_set_is_named():
    with pytest.raises(ValueError, match="empty"):
        compiled(constant_network()).fit(
            dataset({"user_id": ["u1"], "rating": [1.0]}).take(0), verbose=0
        )


def test_a_network_of_another_shape_is_named():
    wide = rk.ranking_network(
        {"user_id": rk.layers.IdEmbedding(USERS, 3)}, head=lambda vector: vector
    )
    with pytest.raises(ValueError, match=r"network.output_shape must be .* Got: .*\(None, 3\)"):
        rk.RankingModel(wide, label="rating")


def test_xla_is_refused_for_strings_of_an_iterator_and_taken_for_integers():
    model = compiled(jit_compile=True)
    with pytest.raises(ValueError, match="jit_compile must be 'auto' or False.*looked up ahead"):
        model.fit(dataset(rows()), verbose=0)
    layers = {"id": rk.layers.IdEmbedding([1, 2, 3], 4)}
    net = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    model = compiled(net, jit_compile=True)
    data = rk.data.batches({"id": [1, 2, 3], "rating": [1.0, 2.0, 3.0]}, 3)
    assert np.isfinite(model.fit(data, verbose=0).history["loss"][0])


def test_scores_are_of_full_precision_in_mixed_precision_too():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = compiled()
        model.fit(dataset(rows()), verbose=0)
        assert model.predict(dataset(rows()), verbose=0).dtype == np.float32
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def test_steps_may_be_run_together_or_eagerly():
    start = network().get_weights()

    def trained(**compile):
        net = network()
        net.set_weights(start)
        compiled(net, **compile).fit(dataset(rows()), epochs=2, verbose=0)
        return net.get_weights()

    plain = trained()
    for other in (trained(steps_per_execution=3), trained(run_eagerly=True)):
        for ours, theirs in zip(plain, other, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_several_steps_are_traced_once_and_add_no_variable():
    class Counting(rk.RankingModel):
        traced = 0

        def train_step(self, inputs):
            self.traced += 1
            return super().train_step(inputs)

    model = Counting(network(), label="rating")
    model.compile("adagrad", steps_per_execution=4)
    before = [variable.name for variable in model.variables]
    model.fit(dataset(rows()), epochs=2, verbose=0)
    assert model.traced == 1
    assert [variable.name for variable in model.variables] == before


def test_a_metric_may_be_named_as_fit_reports_it():
    model = compiled(metrics=["root_mean_squared_error", "mae"])
    assert [each.name for each in model.metrics][-2:] == ["root_mean_squared_error", "mae"]
    assert isinstance(model.metrics[-2], tf.keras.metrics.RootMeanSquaredError)
    with pytest.raises(ValueError, match="Unknown metric in metrics 'rmse_'"):
        compiled(metrics=["rmse_"])


def test_names_of_metrics_must_differ():
    for arguments in (
        {"weighted_metrics": [tf.keras.metrics.RootMeanSquaredError()]},
        {"metrics": ["mae"], "weighted_metrics": ["mae"]},
        {"metrics": [tf.keras.metrics.MeanAbsoluteError(name="loss")]},
    ):
        with pytest.raises(ValueError, match="name of a metric must be unlike that of any other"):
            compiled(**arguments)


def test_what_would_be_silently_wrong_is_refused():
    with pytest.raises(ValueError, match="metrics must be metrics that say where.*'accuracy'"):
        compiled(metrics=["accuracy"])
    with pytest.raises(ValueError, match="loss_weights must be None"):
        compiled(loss_weights=[2.0])
    with pytest.raises(ValueError, match="sample_weight must be another column than the label"):
        rk.RankingModel(network(), label="rating", sample_weight="rating")


@pytest.mark.parametrize("weights", [[2.0], [1.0, 2.0]])
def test_weights_are_not_broadcast(weights):
    batch = ({"user_id": ["u1", "u2", "u3"]}, [1.0, 2.0, 3.0], weights)
    with pytest.raises(ValueError, match="^sample weights must be one a row"):
        compiled(constant_network()).fit(tf.data.Dataset.from_tensors(batch), verbose=0)


def test_float_ids_are_refused():
    layers = {"id": rk.layers.IdEmbedding([10, 11], 2)}
    model = compiled(rk.ranking_network(layers, head=rk.layers.DenseRatingHead([])))
    with pytest.raises(TypeError, match="^feature 'id' must be int64. Got: .*'float32'"):
        model.fit(dataset({"id": [10.7, np.nan], "rating": [1.0, 2.0]}), verbose=0)


def test_a_legacy_optimizer_is_loaded_too(tmp_path):
    model = compiled(optimizer=tf.keras.optimizers.legacy.Adam(0.01))
    model.fit(dataset(rows()), verbose=0)
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    again.fit(dataset(rows()), verbose=0)
    assert isinstance(again.optimizer, tf.keras.optimizers.legacy.Adam)


def test_a_file_is_loaded_under_a_strategy(tmp_path, mirrored_strategy):
    model = compiled()
    model.fit(dataset(rows()), verbose=0)
    model.save(tmp_path / "m.keras")
    with mirrored_strategy.scope():
        again = tf.keras.models.load_model(tmp_path / "m.keras")
    histories = [one.fit(rk.data.batches(rows(), 16), verbose=0).history for one in (model, again)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-5)


def test_the_label_is_no_feature():
    with pytest.raises(ValueError, match="label must be a column that is no feature"):
        rk.RankingModel(constant_network(), label="user_id")


def test_keras_file_holds_everything_that_training_needs(tmp_path):
    data = dataset(rows())
    model = compiled(
        sample_weight="weight",
        loss=tf.keras.losses.Huber(2.0),
        metrics=["mae", tf.keras.metrics.RootMeanSquaredError(name="rmse")],
    )
    model.fit(data, epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    assert isinstance(again, rk.RankingModel)
    np.testing.assert_array_equal(again.predict(data, verbose=0), model.predict(data, verbose=0))
    more, same = (one.fit(data, epochs=2, verbose=0).history for one in (model, again))
    assert more == same
    for ours, theirs in zip(weights(model), weights(again), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    model = compiled()
    model.save(tmp_path / "m.keras")
    before = (tmp_path / "m.keras").read_bytes()

    def full_disk(self, path, **kwargs):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tf.keras.Model, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "m.keras")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
    assert (tmp_path / "m.keras").read_bytes() == before


@pytest.mark.parametrize("name", ["folder", "m.h5"])
def test_other_formats_are_refused_with_the_way_out(tmp_path, name):
    with pytest.raises(ValueError, match="must be a file that ends in .keras.*rankkit.export.save"):
        compiled().save(tmp_path / name)


def test_single_batches_name_what_is_wrong_too():
    with pytest.raises(ValueError, match="^label 'rating' must be finite"):
        compiled(constant_network()).train_on_batch(
            {"user_id": np.array(["u1"]), "rating": np.array([np.nan])}
        )


def test_a_learning_rate_changed_on_the_way_is_saved(tmp_path):
    model = compiled()
    model.fit(dataset(rows()), verbose=0)
    model.optimizer.learning_rate = 0.025
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    assert again.optimizer.learning_rate.numpy() == pytest.approx(0.025)


def test_a_model_that_was_never_compiled_is_saved_too(tmp_path):
    model = rk.RankingModel(network(), label="rating", name="mine")
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    assert (again.name, again.label) == ("mine", "rating")
