"""Training of the next item: loss over all items of the sequences, and what is refused."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

ITEMS = [*"abcdefgh"]


def make_rows(seed=0):
    rng = np.random.default_rng(seed)
    users = np.repeat([f"u{i}" for i in range(30)], rng.integers(1, 12, 30))
    items = np.array(ITEMS)[np.cumsum(rng.integers(0, 3, len(users))) % 8]  # follows an order
    return {"user_id": users, "item_id": items, "timestamp": np.arange(len(users))}


def make_model(loss=None, dropout_rate=0.0, gated=False, **kwargs):
    tf.keras.utils.set_random_seed(1)
    items = rk.layers.IdEmbedding(ITEMS, 8)
    network = rk.models.sasrec(
        {"item_id": items}, max_length=4, num_blocks=1, dropout_rate=dropout_rate, gated=gated
    )
    model = rk.RankingModel(network, **kwargs)
    model.compile(tf.keras.optimizers.Adam(0.01), loss=loss or rk.losses.NextItemLoss())
    return model


@pytest.mark.parametrize("weighted", [False, True])
def test_one_step_is_that_of_the_mean_over_all_items(weighted):
    batch = next(iter(rk.data.sequences(make_rows(), 4, max_length=4, seed=1)))
    weights = np.linspace(0, 4, 4).astype("float32") if weighted else np.ones(4, "float32")
    gated = weighted  # one kind of blocks without weights, the other with them
    by_hand = make_model(gated=gated)
    model = make_model(gated=gated, sample_weight="w" if weighted else None)
    layer, network = by_hand.network.layers[-1], by_hand.network
    history, last = batch["history_item_id"].to_tensor("").numpy(), batch["item_id"].numpy()
    with tf.GradientTape() as tape:
        losses = []
        for past, item, weight in zip(history, last, weights, strict=True):
            sequence = [*filter(None, past.tolist()), item]
            for position, each in enumerate(sequence):
                given = tf.constant([sequence[:position]], tf.string)
                logits = layer.score_items([given], tf.constant([*ITEMS, "unknown"]))
                index = ITEMS.index(each.decode())
                losses.append(-weight * tf.nn.log_softmax(logits)[0, index])
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, network.trainable_variables)
    by_hand.optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
    logs = model.train_on_batch({**batch, "w": weights}, return_dict=True)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-5)
    for found, expected in zip(model.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-4)  # of steps of 0.01


def test_in_memory_and_over_an_iterator_are_equal():
    histories = []
    for change in (lambda data: data, lambda data: data.map(lambda batch: batch)):
        batches = change(rk.data.sequences(make_rows(), 8, max_length=4, seed=1))
        model = make_model()
        history = model.fit(batches, epochs=3, validation_data=batches, verbose=0).history
        histories.append(history)
        assert model.evaluate(batches, verbose=0)[0] == pytest.approx(history["val_loss"][-1])
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-5)
    assert histories[0]["loss"][-1] < histories[0]["loss"][0]


def test_two_replicas_give_the_same(mirrored_strategy):
    found, weights = [], make_model().get_weights()
    for scope in (tf.distribute.get_strategy().scope, mirrored_strategy.scope):
        with scope():
            model = make_model()
        model.set_weights(weights)
        batches = rk.data.sequences(make_rows(), 8, max_length=4, seed=1)
        found.append(model.fit(batches, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*found, rtol=1e-4)


def test_weights_of_rows_count_for_each_of_their_items():
    batch = next(iter(rk.data.sequences(make_rows(), 16, max_length=4, shuffle=False)))
    rest = {name: column[1:] for name, column in batch.items()}
    sizes = batch["history_item_id"].row_lengths().numpy() + 1
    model = make_model(sample_weight="w")
    weights = tf.constant([0.0] + [2.0] * 15)
    found = model.test_on_batch({**batch, "w": weights}, return_dict=True)["loss"]
    expected = make_model().test_on_batch(rest, return_dict=True)["loss"]
    # The sum of weighted losses over the number of all items, as for other losses.
    assert found == pytest.approx(2 * expected * sizes[1:].sum() / sizes.sum(), rel=1e-5)


def test_sampled_softmax_trains_and_is_evaluated_over_all_items():
    batches = rk.data.sequences(make_rows(), 8, max_length=4, seed=1)
    sampled, full = make_model(rk.losses.NextItemLoss(num_negatives=4)), make_model()
    before = full.evaluate(batches, verbose=0)[0]
    assert sampled.evaluate(batches, verbose=0)[0] == pytest.approx(before, rel=1e-6)
    sampled.fit(batches, epochs=20, verbose=0)
    assert sampled.evaluate(batches, verbose=0)[0] < 0.8 * before


def test_unknown_candidates_rank_last_even_if_rare_items_are_out_of_vocabulary():
    rng = np.random.default_rng(0)
    known = rng.random(600) < 0.5
    items = np.where(known, rng.choice(ITEMS, 600), [f"rare {i}" for i in range(600)])
    rows = {"user_id": np.repeat(range(100), 6), "item_id": items, "timestamp": np.arange(600)}
    model = make_model()
    model.fit(rk.data.sequences(rows, 16, max_length=4, seed=1), epochs=10, verbose=0)
    ranked = rk.rank(model, {"history_item_id": ["a", "rare 1"]}, {"item_id": ["new", *ITEMS]})
    assert ranked[-1][0] == "new"


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains(policy):
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
        model = make_model(dropout_rate=0.1)
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    batches = rk.data.sequences(make_rows(), 8, max_length=4, seed=1)
    losses = model.fit(batches, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_a_saved_model_continues_as_the_one_that_was_saved(tmp_path):
    batches = rk.data.sequences(make_rows(), 8, max_length=4, seed=1)
    model = make_model(rk.losses.NextItemLoss(num_negatives=None))
    model.fit(batches, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    for each in (model, loaded):
        each.fit(rk.data.sequences(make_rows(), 8, max_length=4, seed=2), verbose=0)
    for found, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


class Squared(rk.losses.NextItemLoss):
    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred) ** 2


def tower(**kwargs):
    features = {"item_id": rk.layers.IdEmbedding(ITEMS, 4)}
    return rk.RankingModel(rk.models.tower(features, hidden_units=[4]), **kwargs)


def sasrec(**kwargs):
    return rk.RankingModel(rk.models.sasrec({"item_id": rk.layers.IdEmbedding(ITEMS, 4)}), **kwargs)


@pytest.mark.parametrize(
    ("make", "arguments", "error"),
    [
        (tower, {"loss": rk.losses.NextItemLoss()}, "of a network whose score is that of a Next"),
        (tower, {"loss": "mse"}, "label must be a column for a loss other than NextItemLoss"),
        (sasrec, {"loss": None}, "label must be a column for a loss other than NextItemLoss"),
        (
            lambda: sasrec(label="rating"),
            {"loss": rk.losses.NextItemLoss()},
            "label must be None for NextItemLoss",
        ),
        (
            sasrec,
            {"loss": rk.losses.NextItemLoss(), "metrics": ["mae"]},
            "rankkit.evaluation.NextItemMetrics",
        ),
        (sasrec, {"loss": Squared()}, "loss must be a NextItemLoss with its own call"),
        (
            lambda: sasrec(training_bias=rk.models.tower({"position": rk.layers.OneHot([1, 2])})),
            {"loss": rk.losses.NextItemLoss()},
            "Got: a training_bias",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(make, arguments, error):
    with pytest.raises(ValueError, match=error):
        make().compile("adam", **arguments)


def test_labels_beside_the_features_are_refused():
    batch = next(iter(rk.data.sequences(make_rows(), 8, max_length=4, seed=1)))
    with pytest.raises(TypeError, match="labels must be None for a NextItemLoss"):
        make_model().train_on_batch(batch, tf.ones([8]))


def test_a_network_is_trained_on_labels_too():
    rows = make_rows()
    log = rk.data.InteractionLog(rows)
    table = {**log.add_histories(rows), "label": np.arange(len(rows["item_id"])) % 2}
    model = sasrec(label="label")
    model.compile("adam", loss=tf.keras.losses.BinaryCrossentropy(from_logits=True), metrics=[])
    history = model.fit(rk.data.batches(table, 16), epochs=2, verbose=0).history
    assert history["loss"][1] < history["loss"][0]
