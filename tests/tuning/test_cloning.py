import pickle

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.cloning import LayerTemplate


def adapted(layer, values):
    layer.adapt(tf.constant(values))
    return layer


layers = tf.keras.layers


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
@pytest.mark.parametrize(
    ("make", "values"),
    [
        (lambda: adapted(layers.StringLookup(), ["x", "y", "x"]), ["y", "x", "new"]),
        (lambda: adapted(layers.IntegerLookup(mask_token=0), [7, 5, 7]), [7, 5, 0, 1]),
        (
            lambda: adapted(layers.TextVectorization(output_sequence_length=3), ["a b", "b c"]),
            ["c b a", "b new"],
        ),
        (
            lambda: adapted(layers.Discretization(num_bins=3), tf.range(60.0)),
            [[1.0], [30.0], [59.0]],
        ),
        (
            lambda: tf.keras.Sequential([adapted(layers.Normalization(axis=None), [[1.0], [3.0]])]),
            [[4.0]],
        ),
    ],
)
def test_what_adapt_has_learned_goes_with_each_model(make, values):
    given = make()
    pattern = pickle.loads(pickle.dumps(LayerTemplate("feature", given)))
    made = pattern.make()
    assert made is not given
    np.testing.assert_array_equal(made(tf.constant(values)), given(tf.constant(values)))


def test_frozen_weights_are_kept_and_trained_ones_begin_anew():
    values = tf.constant(["a", "new"])
    for trainable in (False, True):
        given = rk.layers.IdEmbedding(["a", "b"], 3)
        given(values)
        given.trainable = trainable
        kept = np.array_equal(LayerTemplate("id", given).make()(values), given(values))
        assert kept is not trainable


def test_a_lookup_that_was_never_adapted_stays_so():
    assert LayerTemplate("id", layers.StringLookup()).make().vocabulary_size() == 1


def test_learned_state_that_would_be_lost_is_refused():
    given = adapted(layers.StringLookup(output_mode="tf_idf"), [["x", "y", "x"]])
    with pytest.raises(TypeError, match="words must be a layer whose state Keras can restore"):
        LayerTemplate("words", given)


def test_changes_reach_the_layer_that_an_attribute_holds():
    tags = rk.layers.TagsEmbedding(["x", "y"], 3)
    pattern = LayerTemplate("genres", rk.layers.Attribute(["a", "b"], [["x"], ["y", "x"]], tags))
    assert {"embedding_dim", "embeddings_regularizer", "ids"} <= pattern.arguments
    regularizer = tf.keras.regularizers.serialize(tf.keras.regularizers.L2(0.5))
    made = pattern.make(embedding_dim=5, embeddings_regularizer=regularizer)
    assert made(tf.constant(["a", "new"])).shape == (2, 5)
    assert float(made.losses[0]) > 0
    assert pattern.make()(tf.constant(["a"])).shape == (1, 3)
