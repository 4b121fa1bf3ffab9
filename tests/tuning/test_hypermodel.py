import functools
import pickle

import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.space import HYPERPARAMETERS
from stub_search import hyperparameters


def layer(model, kind):
    return next(each for each in model.network.layers if isinstance(each, kind))


def train(hypermodel, rows, **kwargs):
    """Builds and trains a model for one epoch; returns it and its last metrics."""
    train, validation = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    hp = kt.HyperParameters()
    model = hypermodel.build(hp)
    history = hypermodel.fit(hp, model, train, validation_data=validation, verbose=0, **kwargs)
    return model, {name: values[-1] for name, values in history.history.items()}


# --- Building ---


def test_hyperparameters_set_the_model(make_hypermodel):
    hypermodel = make_hypermodel(space=list(HYPERPARAMETERS))
    model = hypermodel.build(
        hyperparameters(
            tower_width=64, learning_rate=0.25, tower_depth=3, embedding_dim=16,
            dropout_rate=0.4, l2=0.01, optimizer="adam", batch_size=256, epochs=3,
        )
    )  # fmt: skip
    assert isinstance(model, rk.RankingModel)
    assert isinstance(model.optimizer, tf.keras.optimizers.Adam)
    assert float(model.optimizer.learning_rate) == 0.25
    head = layer(model, rk.layers.DenseRatingHead)
    assert head.hidden_units == (64, 16, 4)
    assert head.dropout_rate == 0.4
    embedding = layer(model, rk.layers.IdEmbedding)
    assert embedding.embedding_dim == 16
    tables = [weights for weights in model.weights if "embedding" in weights.name]
    expected = 0.01 * sum(float(tf.reduce_sum(table**2)) for table in tables)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_defaults_of_hyperparameters_not_in_the_space(make_hypermodel):
    hypermodel = make_hypermodel(space=None)
    model = hypermodel.build(hyperparameters(tower_width=256, learning_rate=0.1))
    assert layer(model, rk.layers.DenseRatingHead).hidden_units == (256, 64)
    assert layer(model, rk.layers.IdEmbedding).embedding_dim == 4  # as in the template
    assert isinstance(model.optimizer, tf.keras.optimizers.Adagrad)
    assert model.losses == []


def test_models_share_no_weights_and_layers(make_hypermodel):
    hypermodel = make_hypermodel(interaction=tf.keras.layers.Multiply())
    one, other = (hypermodel.build(kt.HyperParameters()) for _ in range(2))
    assert not {id(each) for each in one.weights} & {id(each) for each in other.weights}
    assert layer(one, tf.keras.layers.Multiply) is not layer(other, tf.keras.layers.Multiply)


def test_layer_shared_by_two_features_stays_shared():
    shared = rk.layers.IdEmbedding(["a", "b"], 4)
    hypermodel = rk.tuning.RankingHyperModel({"first": shared, "second": shared}, label="label")
    model = hypermodel.build(kt.HyperParameters())
    assert len([w for w in model.weights if "embedding" in w.name]) == 1


def test_other_arguments_of_the_head_are_kept(make_hypermodel):
    head = rk.layers.DenseRatingHead([3], rating_range=(1, 5), activation="gelu")
    model = make_hypermodel(head=head).build(hyperparameters(tower_width=8, learning_rate=0.1))
    built = layer(model, rk.layers.DenseRatingHead)
    assert built.rating_range == (1.0, 5.0)
    assert built.activation is tf.keras.activations.gelu
    assert built.hidden_units == (8, 2)


def test_function_of_models_builds_the_network(make_hypermodel):
    network = functools.partial(rk.models.deepfm, initial_bias=3.5)
    space = {"embedding_dim": [8, 16], "l2": (1e-4, 1e-2), "dropout_rate": [0.1, 0.2]}
    hypermodel = make_hypermodel(network=network, space=space)
    values = {"tower_width": 8, "learning_rate": 0.1, "dropout_rate": 0.2}
    model = hypermodel.build(hyperparameters(embedding_dim=16, l2=1e-3, **values))
    assert model.network.name == "deepfm"
    head = layer(model, rk.layers.DenseRatingHead)
    assert (head.hidden_units, head.dropout_rate) == ((8, 2), 0.2)
    assert layer(model, rk.layers.IdEmbedding).embedding_dim == 16
    assert float(sum(model.losses)) > 0
    assert 3.5 in [weight.item() for weight in model.get_weights() if weight.size == 1]
    assert pickle.loads(pickle.dumps(hypermodel)).columns == hypermodel.columns


def test_columns_that_a_function_of_models_adds_are_read(make_hypermodel):
    hypermodel = make_hypermodel(network=rk.models.din, space={"embedding_dim": [8, 16]})
    assert {"history_item_id", "item_id", "user_id"} <= set(hypermodel.columns)
    values = {"tower_width": 8, "learning_rate": 0.1, "embedding_dim": 16}
    model = hypermodel.build(hyperparameters(**values))
    assert layer(model, rk.layers.TargetAttention).item_layer.embedding_dim == 16


# --- Training ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuner", "settings", "batched"),
    [
        (kt.RandomSearch, {"max_trials": 2}, True),
        (kt.Hyperband, {"max_epochs": 2, "factor": 2}, False),
    ],
)
def test_keras_tuners_own_tuners(tuner, settings, batched, make_hypermodel, rows, tmp_path):
    space = {"tower_width": [4, 8], "learning_rate": (0.1, 0.5)}
    hypermodel = make_hypermodel(space=space)
    objective = kt.Objective("val_root_mean_squared_error", "min")
    own = tuner(hypermodel, objective=objective, directory=tmp_path, seed=1, **settings)
    data = rk.data.batches(rows, 256) if batched else rows
    own.search(data, validation_data=data, epochs=1, verbose=0)
    assert {trial.status for trial in own.oracle.trials.values()} == {"COMPLETED"}
    [best] = own.get_best_models()
    assert isinstance(best, rk.RankingModel)
    evaluated = best.evaluate(rk.data.batches(rows, 600), verbose=0, return_dict=True)
    score = own.oracle.get_best_trials()[0].score
    assert evaluated["root_mean_squared_error"] == pytest.approx(score, rel=1e-5)


def test_batch_size_and_epochs_are_hyperparameters(make_hypermodel, rows):
    hypermodel = make_hypermodel(space={"batch_size": [100, 300], "epochs": [2, 3]})
    hp = hyperparameters(tower_width=4, learning_rate=0.1, batch_size=300, epochs=3)
    model = hypermodel.build(hp)
    history = hypermodel.fit(hp, model, rows, epochs=1, verbose=0)
    assert history.epoch == [0, 1, 2]
    assert history.params["steps"] == 2
    with pytest.raises(ValueError, match="batch_size out of the space"):
        hypermodel.fit(hp, model, rk.data.batches(rows, 10), verbose=0)
    with pytest.raises(ValueError, match="batch_size must be left out of the arguments of fit"):
        hypermodel.fit(hp, model, rows, batch_size=10)


def test_weights_are_averaged_over_about_an_epoch(make_hypermodel, rows):
    def weights(callbacks, **kwargs):
        hypermodel = make_hypermodel(space={"tower_width": 4, "batch_size": 40}, **kwargs)
        hp = kt.HyperParameters()
        tf.keras.utils.set_random_seed(5)
        model = hypermodel.build(hp)
        hypermodel.fit(hp, model, rows, epochs=2, seed=5, callbacks=callbacks, verbose=0)
        return model.get_weights()

    averaging = rk.WeightAveraging(1 - 1 / 15, update_freq=16)  # 15 steps per epoch
    expected = weights([averaging], average_weights=False)
    last = weights([], average_weights=False)
    for averaged, other, unaveraged in zip(weights([]), expected, last, strict=True):
        np.testing.assert_allclose(averaged, other, atol=1e-6)
        assert not np.allclose(averaged, unaveraged)


def test_number_of_batches_may_be_unknown(make_hypermodel, rows):
    hypermodel = make_hypermodel(space={"tower_width": 4})
    hp = kt.HyperParameters()
    model = hypermodel.build(hp)
    unknown = rk.data.batches(rows, 64).filter(lambda batch: True)
    history = hypermodel.fit(hp, model, unknown, validation_data=unknown, epochs=2, verbose=0)
    assert len(history.history["val_root_mean_squared_error"]) == 2


@pytest.mark.filterwarnings("ignore:Lists")
def test_listwise_loss_is_trained_on_padded_lists(make_hypermodel, rows):
    hypermodel = make_hypermodel(
        loss=rk.losses.SoftmaxLoss(), lists={"list_size": 10, "overflow": "split"}
    )
    rows = {**rows, "user_rating": np.clip(rows["user_rating"].round(), 0, 5)}
    _, metrics = train(hypermodel, rows)
    assert 0 < metrics["val_ndcg_at_10"] <= 1


def test_network_of_several_heads_is_searched(make_hypermodel, rows):
    rows = {**rows, "click": (rows["user_rating"] > 3.5) * 1.0}
    rows["click"][:40] = np.nan  # unknown labels
    labels = {"rating": "user_rating", "click": "click"}
    hypermodel = make_hypermodel(
        label=labels,
        head={"rating": None, "click": rk.layers.DenseRatingHead()},
        interaction=rk.layers.MultiGateMixtureOfExperts(list(labels), units=[4]),
        score={"rating": 1.0, "click": 0.5},
        loss={"click": tf.keras.losses.BinaryCrossentropy(from_logits=True)},
        metrics={"click": [tf.keras.metrics.AUC(from_logits=True, name="auc")]},
        loss_weights="uncertainty",
    )
    model, metrics = train(pickle.loads(pickle.dumps(hypermodel)), rows)  # as for workers
    assert 0 < metrics["val_click_auc"] <= 1
    heads = [each for each in model.network.layers if hasattr(each, "hidden_units")]
    assert [head.hidden_units[0] for head in heads] == [4, 4]
    assert any(hasattr(each, "num_experts") for each in model.network.layers)
    outputs = model({name: rows[name][:5] for name in ("user_id", "item_id")})
    combined = outputs["rating"] + 0.5 * outputs["click"]
    np.testing.assert_allclose(outputs["score"], combined, rtol=1e-5)


def test_ordinal_head_takes_dropout_and_width_of_the_trial(make_hypermodel, rows):
    levels = (1.0, 2.0, 3.0, 4.0, 5.0)
    hypermodel = make_hypermodel(
        head=rk.layers.OrdinalHead(levels),
        loss=rk.losses.OrdinalLoss(levels),
        space={"tower_width": [8, 16], "learning_rate": 0.1, "dropout_rate": [0.25, 0.5]},
    )
    head = layer(hypermodel.build(kt.HyperParameters()), rk.layers.OrdinalHead)
    assert head.get_config()["dropout_rate"] == 0.25
    assert head.get_config()["hidden_units"] == (8, 2)


# --- Sampled negatives ---


@pytest.fixture
def clicks(rows):
    liked = rows["user_rating"] > 3.5
    return {name: rows[name][liked] for name in ("user_id", "item_id", "user_rating")}


@pytest.mark.parametrize("lists", [False, True])
def test_negatives_are_sampled_for_clicks(lists, make_hypermodel, clicks):
    logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    hypermodel = make_hypermodel(
        label="click",
        loss=rk.losses.SoftmaxLoss() if lists else logits,
        negatives={"item": "item_id", "num_negatives": 2, "lists": lists},
    )
    assert hypermodel.columns == ["user_id", "item_id"]
    _, metrics = train(hypermodel, clicks, epochs=2)
    assert 0 < metrics["val_loss"] < 5


def test_validation_negatives_are_the_same_in_each_epoch_and_exclude_clicks(clicks):
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
    batches = hypermodel.batching.to_validate(rest, known).unbatch()
    one, other = (list(batches.as_numpy_iterator()) for _ in range(2))
    np.testing.assert_equal(one, other)
    pairs = set(zip(clicks["user_id"], clicks["item_id"], strict=True))
    sampled = [row for row in one if not row["click"]]
    assert sampled
    assert not {(row["user_id"].decode(), row["item_id"].decode()) for row in sampled} & pairs
    assert all(np.isnan(row["user_rating"]) != row["click"] for row in one)


# --- Invalid arguments ---


def age():
    layer = tf.keras.layers.Normalization(axis=None)
    layer.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    return layer


@pytest.mark.parametrize(
    ("space", "argument", "kind"),
    [
        (["embedding_dim"], "embedding_dim", "Normalization"),
        (["l2"], "embeddings_regularizer", "Normalization"),
        (None, "hidden_units", "Dense"),
        ({"tower_width": 8, "tower_depth": None}, "hidden_units", "Dense"),
        ({"tower_width": 8, "dropout_rate": None}, "dropout_rate", "Dense"),
    ],
)
def test_hyperparameter_without_effect_is_refused(space, argument, kind):
    head = tf.keras.layers.Dense(1) if kind == "Dense" else None
    with pytest.raises(ValueError, match=f"no {kind} here has an argument '{argument}'"):
        rk.tuning.RankingHyperModel({"age": age()}, label="rating", space=space, head=head)


def pretrained(width):
    return tf.keras.initializers.Constant(np.ones((3, width), np.float32))


def frozen():
    layer = rk.layers.IdEmbedding(["a", "b"], 8, trainable=False)
    layer(tf.constant(["a"]))
    return layer


def of_vectors():
    return rk.layers.IdEmbedding(["a", "b"], 8, embeddings_initializer=pretrained(8))


@pytest.mark.parametrize(
    ("layer", "embedding_dim"),
    [
        (of_vectors(), (4, 16)),
        (of_vectors(), [8, 16]),
        (of_vectors(), 16),
        (frozen(), [8, 16]),
        (rk.layers.Attribute(["x"], ["a"], of_vectors()), [8, 16]),
    ],
    ids=["range", "list", "other value", "frozen", "nested"],
)
def test_width_of_pretrained_vectors_is_kept(layer, embedding_dim):
    space = {"tower_width": 8, "embedding_dim": embedding_dim}
    expected = "embedding_dim must be 8 for feature 'item', whose initializer or frozen"
    with pytest.raises(ValueError, match=expected):
        rk.tuning.RankingHyperModel({"item": layer}, label="rating", space=space)


@pytest.mark.parametrize("initializer", [pretrained(8), tf.keras.initializers.Constant(0.5)])
def test_vectors_of_an_initializer_are_those_of_the_model(initializer):
    ids = rk.layers.IdEmbedding(["a", "b"], 8, embeddings_initializer=initializer)
    dims = [8] if np.ndim(initializer.value) else [8, 16]
    space = {"tower_width": 8, "embedding_dim": dims}
    hypermodel = rk.tuning.RankingHyperModel({"item": ids}, label="rating", space=space)
    model = hypermodel.build(hyperparameters(tower_width=8, learning_rate=0.1, embedding_dim=8))
    [table] = [each for each in model.get_weights() if each.shape == (3, 8)]
    np.testing.assert_array_equal(table, np.broadcast_to(initializer.value, (3, 8)))


def test_overridden_network_may_use_any_hyperparameter():
    class Own(rk.tuning.RankingHyperModel):
        def build_network(self, hp):
            raise NotImplementedError

    assert Own({"age": age()}, label="rating", space=["embedding_dim"]).space.searched


def test_fixed_value_may_be_without_effect(make_hypermodel):
    space = {"tower_width": 1, "learning_rate": (0.1, 0.2)}
    hypermodel = make_hypermodel(space=space, head=tf.keras.layers.Dense(1))
    assert hypermodel.space.searched == ["learning_rate"]


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"features": {}}, ValueError, "at least one feature layer"),
        ({"features": {"user_id": "u"}}, TypeError, "tf.keras layer"),
        ({"head": lambda x: x}, TypeError, "head"),
        ({"network": "deepfm"}, TypeError, "network must be a function of features and hidden_un"),
        (
            {"network": rk.models.tower, "head": rk.layers.DenseRatingHead()},
            ValueError,
            "head must be None if there is a network",
        ),
        ({"space": {"width": (1, 2)}}, ValueError, "tower_width"),
        ({"head": {"rating": None}}, ValueError, "score must be"),
        (
            {"head": {"rating": "tower"}, "score": {"rating": 1.0}},
            TypeError,
            "rating must be a tf.keras layer",
        ),
        ({"lists": {}, "negatives": {"item": "item_id"}}, ValueError, "lists must be None when"),
        ({"negatives": {"num_negatives": 2}}, ValueError, "Missing argument of negatives 'item'"),
    ],
)
def test_invalid_arguments(kwargs, error, words):
    features = kwargs.pop("features", {"user_id": rk.layers.IdEmbedding(["a"], 2)})
    with pytest.raises(error, match=words):
        rk.tuning.RankingHyperModel(features, label="rating", **kwargs)
