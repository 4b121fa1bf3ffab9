import pickle

import keras_tuner as kt
import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.cloning import LayerTemplate

layers = tf.keras.layers


def adapted(layer, values):
    layer.adapt(tf.constant(values))
    return layer


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize(
    ("layer", "known", "values"),
    [
        (layers.StringLookup(), ["x", "y", "x"], ["y", "x", "new"]),
        (layers.IntegerLookup(mask_token=0), [7, 5, 7], [7, 5, 0, 1]),
        (layers.TextVectorization(output_sequence_length=3), ["a b", "b c"], ["c b a", "b new"]),
        (layers.Discretization(num_bins=3), np.arange(60.0), [[1.0], [30.0], [59.0]]),
        (layers.Normalization(axis=None), [[1.0], [3.0]], [[4.0]]),
    ],
    ids=["StringLookup", "IntegerLookup", "TextVectorization", "Discretization", "Normalization"],
)
def test_adapted_state_is_cloned(layer, known, values):
    given = adapted(layer, known)
    if isinstance(layer, layers.Normalization):
        given = tf.keras.Sequential([given])  # a nested layer
    template = pickle.loads(pickle.dumps(LayerTemplate("feature", given)))
    clone = template.make()
    assert clone is not given
    np.testing.assert_array_equal(clone(tf.constant(values)), given(tf.constant(values)))


@pytest.mark.parametrize("trainable", [False, True])
def test_frozen_weights_are_cloned_and_trainable_ones_initialized(trainable):
    values = tf.constant(["a", "new"])
    given = rk.layers.IdEmbedding(["a", "b"], 3)
    given(values)
    given.trainable = trainable
    is_cloned = np.array_equal(LayerTemplate("id", given).make()(values), given(values))
    assert is_cloned is not trainable


def test_feature_spec_is_cloned():
    given = layers.Normalization(axis=None)
    given.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    assert LayerTemplate("age", given).make().feature_spec == given.feature_spec


def test_lookup_without_vocabulary_is_cloned():
    assert LayerTemplate("id", layers.StringLookup()).make().vocabulary_size() == 1


def test_state_that_cannot_be_restored_is_refused():
    given = adapted(layers.StringLookup(output_mode="tf_idf"), [["x", "y", "x"]])
    with pytest.raises(TypeError, match="words must be a layer whose state Keras can restore"):
        LayerTemplate("words", given)


def test_layer_without_config_is_refused():
    class NoConfig(layers.Layer):
        def __init__(self, size):
            super().__init__()

    with pytest.raises(TypeError, match="age must be a layer with a get_config.*clones"):
        LayerTemplate("age", NoConfig(object()))


def test_arguments_of_a_nested_layer_are_replaced():
    tags = rk.layers.TagsEmbedding(["x", "y"], 3)
    template = LayerTemplate("genres", rk.layers.Attribute(["a", "b"], [["x"], ["y", "x"]], tags))
    assert {"embedding_dim", "embeddings_regularizer", "ids"} <= template.arguments.keys()
    regularizer = tf.keras.regularizers.serialize(tf.keras.regularizers.L2(0.5))
    clone = template.make(embedding_dim=5, embeddings_regularizer=regularizer)
    assert clone(tf.constant(["a", "new"])).shape == (2, 5)
    assert float(clone.losses[0]) > 0
    assert template.make()(tf.constant(["a"])).shape == (1, 3)


def test_arguments_of_all_layers_in_a_list_are_replaced():
    sides = [rk.layers.BucketEmbedding([5], 4), rk.layers.CalendarEmbedding("month", 4)]
    layer = rk.layers.TargetAttention(rk.layers.IdEmbedding(["a"], 4), side_layers=sides)
    template = LayerTemplate("next", layer)
    clone = template.make(embedding_dim=6)
    dims = [each.embedding_dim for each in (clone.item_layer, *clone.side_layers)]
    assert dims == [6, 6, 6]
    # The names of layers, which Keras numbers, are no part of what identifies a template.
    other = LayerTemplate("next", rk.layers.TargetAttention.from_config(layer.get_config()))
    assert other.get_config() == template.get_config()
    matrix = tf.keras.initializers.Constant(np.ones((3, 4)))
    sides[0] = rk.layers.BucketEmbedding([5, 6], 4, embeddings_initializer=matrix)
    layer = rk.layers.SequenceMean(rk.layers.IdEmbedding(["a"], 4), side_layers=sides)
    assert LayerTemplate("next", layer).fixed_width == 4


def test_metric_templates_are_cloned_under_the_same_name():
    tf.keras.metrics.AUC()  # Keras would number the next one auc_1
    hypermodel = rk.tuning.RankingHyperModel(
        {"user_id": rk.layers.IdEmbedding(["a"], 2)},
        label="click",
        metrics=["auc", tf.keras.metrics.Precision(top_k=1, name="precision")],
    )
    for _ in range(2):
        names = [metric.name for metric in hypermodel.build(kt.HyperParameters()).metrics]
        assert names[-2:] == ["auc", "precision"]
