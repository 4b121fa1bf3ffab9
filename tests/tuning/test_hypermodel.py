import pickle

import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.space import HYPERPARAMETERS

OBJECTIVE = kt.Objective("val_root_mean_squared_error", "min")


def hyperparameters(**values):
    hp = kt.HyperParameters()
    for name, value in values.items():
        hp.Fixed(name, value)
    return hp


def layer(model, kind):
    return next(each for each in model.network.layers if isinstance(each, kind))


def test_build_gives_what_the_hyperparameters_say(make_hypermodel):
    hypermodel = make_hypermodel(list(HYPERPARAMETERS))
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


def test_without_them_it_is_the_tutorials_network(make_hypermodel):
    model = make_hypermodel(None).build(hyperparameters(tower_width=256, learning_rate=0.1))
    assert layer(model, rk.layers.DenseRatingHead).hidden_units == (256, 64)
    assert layer(model, rk.layers.IdEmbedding).embedding_dim == 4  # the features' own
    assert isinstance(model.optimizer, tf.keras.optimizers.Adagrad)
    assert model.losses == []


def test_each_model_has_layers_of_its_own(make_hypermodel):
    hypermodel = make_hypermodel()
    one, other = (hypermodel.build(kt.HyperParameters()) for _ in range(2))
    assert not {id(each) for each in one.weights} & {id(each) for each in other.weights}


def test_a_layer_under_two_names_stays_one(rows):
    shared = rk.layers.IdEmbedding(["a", "b"], 4)
    hypermodel = rk.tuning.RankingHyperModel({"first": shared, "second": shared}, label="label")
    model = hypermodel.build(kt.HyperParameters())
    assert len([w for w in model.weights if "embedding" in w.name]) == 1


def test_other_parts_of_the_head_are_kept(make_hypermodel):
    head = rk.layers.DenseRatingHead([3], rating_range=(1, 5), activation="gelu")
    model = make_hypermodel(head=head).build(hyperparameters(tower_width=8, learning_rate=0.1))
    built = layer(model, rk.layers.DenseRatingHead)
    assert built.rating_range == (1.0, 5.0)
    assert built.activation is tf.keras.activations.gelu
    assert built.hidden_units == (8, 2)


def test_what_a_layer_has_learned_ahead_is_kept(rows):
    age = tf.keras.layers.Normalization(axis=None)
    age.adapt(np.array([10.0, 20.0, 30.0]))
    age.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    hypermodel = rk.tuning.RankingHyperModel({"age": age}, label="rating")
    model = hypermodel.build(kt.HyperParameters())
    built = layer(model, tf.keras.layers.Normalization)
    assert built is not age
    np.testing.assert_allclose(built(tf.constant([[20.0]])), [[0.0]], atol=1e-6)
    np.testing.assert_allclose(built(tf.constant([[30.0]])), age(tf.constant([[30.0]])))


def test_an_interaction_layer_is_made_anew(make_hypermodel):
    interaction = tf.keras.layers.Multiply()
    model = make_hypermodel(interaction=interaction).build(kt.HyperParameters())
    built = layer(model, tf.keras.layers.Multiply)
    assert built is not interaction


def test_no_data_is_read_while_building(make_hypermodel, monkeypatch):
    hypermodel = make_hypermodel()

    def refuse(*args, **kwargs):
        raise AssertionError("rows were read")

    monkeypatch.setattr("rankkit.tuning.hypermodel.batches", refuse)
    monkeypatch.setattr(tf.data.Dataset, "from_tensor_slices", refuse)
    hypermodel.build(kt.HyperParameters())


def test_it_can_be_pickled(make_hypermodel):
    copy = pickle.loads(pickle.dumps(make_hypermodel(["l2"])))
    one, other = (
        hypermodel.build(hyperparameters(tower_width=8, learning_rate=0.1, l2=0.5))
        for hypermodel in (make_hypermodel(["l2"]), copy)
    )
    assert [each.shape for each in one.weights] == [each.shape for each in other.weights]
    assert len(other.losses) == 2


@pytest.mark.parametrize(
    ("tuner", "settings"),
    [
        (kt.RandomSearch, {"max_trials": 2}),
        (kt.BayesianOptimization, {"max_trials": 4, "num_initial_points": 3}),
        (kt.Hyperband, {"max_epochs": 2, "factor": 2}),
        (kt.GridSearch, {"max_trials": 2}),
    ],
)
def test_keras_tuners_own_tuners_take_it(tuner, settings, make_hypermodel, rows, tmp_path):
    space = {"tower_width": [4, 8], "learning_rate": (0.1, 0.5)}
    made = tuner(
        make_hypermodel(space), objective=OBJECTIVE, directory=tmp_path, seed=1, **settings
    )
    batched = rk.data.batches(rows, 256)
    data = {kt.GridSearch: batched}.get(tuner, rows)
    made.search(data, validation_data=data, epochs=1, verbose=0)
    statuses = {trial.status for trial in made.oracle.trials.values()}
    assert statuses == {"COMPLETED"}
    [best] = made.get_best_models()
    assert isinstance(best, rk.RankingModel)
    rmse = best.evaluate(rk.data.batches(rows, 600), verbose=0, return_dict=True)
    assert rmse["root_mean_squared_error"] == pytest.approx(
        made.oracle.get_best_trials()[0].score, rel=1e-5
    )


def test_batch_size_and_epochs_are_those_of_the_hyperparameters(make_hypermodel, rows):
    hypermodel = make_hypermodel({"batch_size": [100, 300], "epochs": [2, 3]})
    hp = hyperparameters(tower_width=4, learning_rate=0.1, batch_size=300, epochs=3)
    history = hypermodel.fit(hp, hypermodel.build(hp), rows, epochs=1, verbose=0)
    assert history.epoch == [0, 1, 2]
    assert history.params["steps"] == 2
    with pytest.raises(ValueError, match="batch_size out of the space"):
        hypermodel.fit(hp, hypermodel.build(hp), rk.data.batches(rows, 10), verbose=0)
    with pytest.raises(ValueError, match="batch_size must be left out"):
        hypermodel.fit(hp, hypermodel.build(hp), rows, batch_size=10)


def age():
    layer = tf.keras.layers.Normalization(axis=None)
    layer.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    return layer


def test_weights_are_averaged_over_about_an_epoch(make_hypermodel, rows):
    def trained(**kwargs):
        hypermodel = make_hypermodel({"tower_width": 4, "batch_size": 40}, **kwargs)
        hp = kt.HyperParameters()
        tf.keras.utils.set_random_seed(5)
        model = hypermodel.build(hp)
        own = Seen()
        hypermodel.fit(hp, model, rows, epochs=3, seed=5, callbacks=[own], verbose=0)
        return model.get_weights(), own.ends

    _, steps = trained(average_weights=False)
    weights, _ = trained()
    shares = (1 - 1 / 15) ** np.array([30, 15, 0])  # 15 steps an epoch, in one call of the graph
    for ours, ends in zip(weights, zip(*steps, strict=True), strict=True):
        np.testing.assert_allclose(ours, np.average(ends, axis=0, weights=shares), atol=1e-6)


class Seen(tf.keras.callbacks.Callback):
    """The weights after the last step of each epoch."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(self.model.get_weights())


def test_batches_of_unknown_number_can_be_trained_on(make_hypermodel, rows):
    hypermodel = make_hypermodel({"tower_width": 4})
    hp = kt.HyperParameters()
    model = hypermodel.build(hp)
    unknown = rk.data.batches(rows, 64).filter(lambda batch: True)
    history = hypermodel.fit(hp, model, unknown, validation_data=unknown, epochs=2, verbose=0)
    assert len(history.history["val_root_mean_squared_error"]) == 2
    # After known ones, too, the model is left as any other.
    hypermodel.fit(hp, model, rows, verbose=0)
    for use in (model.evaluate, model.fit):
        use(unknown, verbose=0)
    assert len(model.predict(unknown, verbose=0)) == 600


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
def test_what_would_change_nothing_is_not_searched(space, argument, kind):
    head = tf.keras.layers.Dense(1) if kind == "Dense" else None
    with pytest.raises(ValueError, match=f"no {kind} here has an argument '{argument}'"):
        rk.tuning.RankingHyperModel({"age": age()}, label="rating", space=space, head=head)


def test_a_network_of_ones_own_gives_them_an_effect():
    class Own(rk.tuning.RankingHyperModel):
        def build_network(self, hp):
            raise NotImplementedError

    Own({"age": age()}, label="rating", space=["embedding_dim"])


def test_a_fixed_width_may_be_without_effect(make_hypermodel):
    space = {"tower_width": 1, "learning_rate": (0.1, 0.2)}
    made = make_hypermodel(space, head=tf.keras.layers.Dense(1))
    assert made.space.searched == ["learning_rate"]


@pytest.mark.parametrize(
    ("features", "kwargs", "error", "words"),
    [
        ({}, {}, ValueError, "at least one feature layer"),
        ({"user_id": "u"}, {}, TypeError, "tf.keras layer"),
        (None, {"head": lambda x: x}, TypeError, "head"),
        (None, {"space": {"width": (1, 2)}}, ValueError, "tower_width"),
    ],
)
def test_what_cannot_be_built_is_refused(features, kwargs, error, words):
    if features is None:
        features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    with pytest.raises(error, match=words):
        rk.tuning.RankingHyperModel(features, label="rating", **kwargs)
