import gc

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

IdEmbedding = rk.layers.IdEmbedding


@pytest.mark.parametrize("ids", [["b", "a"], [2, 1]])
def test_ids_keep_their_order_and_become_python_values(ids):
    found = IdEmbedding(np.array(ids), 2).vocabulary
    assert found == ids
    assert set(map(type, found)) == {type(ids[0])}


def test_known_ids_have_their_own_rows_after_the_oov_row():
    layer = IdEmbedding(["a", "b", "c"], 2)
    layer(tf.constant(["a"]))
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    layer.set_weights([table])
    np.testing.assert_array_equal(layer(tf.constant(["c", "nobody", "a", ""])), table[[3, 0, 1, 0]])


def test_integers_of_any_width_are_looked_up():
    layer = IdEmbedding([7, -1, 2**40], 2)
    assert layer.encode(tf.constant([2**40, 8, -1, 7])).numpy().tolist() == [3, 0, 2, 1]
    np.testing.assert_array_equal(
        layer(tf.constant([7], tf.int32)), layer(tf.constant([7], tf.int64))
    )


@pytest.mark.parametrize("reserved", [["[UNK]", "", "x"], [-1, 0, 1]])
def test_tokens_that_keras_reserves_are_ordinary_ids(reserved):
    layer = IdEmbedding(reserved, 2)
    assert layer.encode(tf.constant(reserved)).numpy().tolist() == [1, 2, 3]


@pytest.mark.parametrize("unknown", [["x", "y", "z", "x"], [101, 102, 103, 101]])
def test_several_oov_rows_are_assigned_by_hash(unknown):
    known = ["a", "b"] if isinstance(unknown[0], str) else [1, 2]
    layer = IdEmbedding(known, 2, num_oov_indices=5)
    rows = layer.encode(tf.constant(unknown)).numpy()
    assert rows[0] == rows[3]
    assert set(rows) <= set(range(5))
    assert layer.encode(tf.constant(known)).numpy().tolist() == [5, 6]


@pytest.mark.parametrize("num_oov_indices", [1, 3])
def test_id_dropout_replaces_its_share_of_ids_only_while_training(num_oov_indices):
    layer = IdEmbedding(["a"], 1, id_dropout_rate=0.25, num_oov_indices=num_oov_indices)
    layer(tf.constant(["a"]))
    layer.set_weights([np.array([[0.0]] * num_oov_indices + [[1.0]])])
    ids = tf.fill([20_000], "a")
    assert layer(ids, training=False).numpy().mean() == 1.0
    # Binomial: 0.75 with a standard deviation of sqrt(0.75 * 0.25 / 20,000) = 0.003.
    assert layer(ids, training=True).numpy().mean() == pytest.approx(0.75, abs=0.015)


def test_only_id_dropout_trains_the_oov_row():
    def oov_gradient(rate):
        layer = IdEmbedding(["a", "b"], 2, id_dropout_rate=rate)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(tf.fill([200], "a"), training=True))
        (gradient,) = tape.gradient(loss, layer.trainable_variables)
        return np.abs(tf.convert_to_tensor(gradient)[0]).sum()

    assert oov_gradient(0.0) == 0.0
    assert oov_gradient(0.2) > 0.0


def test_gradient_holds_only_the_rows_of_the_batch():
    layer = IdEmbedding([str(i) for i in range(1000)], 2)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.constant(["3", "5"])))
    (gradient,) = tape.gradient(loss, layer.trainable_variables)
    assert isinstance(gradient, tf.IndexedSlices)
    assert sorted(gradient.indices.numpy()) == [4, 6]


def test_initializer_regularizer_and_constraint_are_those_of_keras():
    layer = IdEmbedding(
        ["a"],
        2,
        embeddings_initializer=tf.keras.initializers.Constant(2.0),
        embeddings_regularizer=tf.keras.regularizers.L2(0.5),
        embeddings_constraint="non_neg",
    )
    np.testing.assert_array_equal(layer(tf.constant(["a"])), [[2.0, 2.0]])
    assert layer.losses[0].numpy() == 0.5 * 4 * 2.0**2  # 0.5 x the squares of 2 rows of 2
    assert isinstance(layer.trainable_variables[0].constraint, tf.keras.constraints.NonNeg)


def test_sample_values_are_known_ids_and_an_oov_id():
    known = ["a", "b", "unknown-0"]
    assert IdEmbedding(known, 2).sample_values(4) == [*known, "unknown-1"]
    assert IdEmbedding([0, 1, 5], 2).sample_values(3) == [0, 5, 2]


def test_unusual_valid_ids_survive_every_export(check_exports):
    ids = ["tab\there", "", " ", "é", "日本", "'\"\\", "a\rb", "x" * 5000]
    network = rk.ranking_network({"id": IdEmbedding(ids, 2)}, head=rk.layers.DenseRatingHead([]))
    check_exports(rk.RankingModel(network, label="rating"), {"id": ids}, atol=1e-6)


def is_freed(handle):
    try:
        return tf.raw_ops.LookupTableSizeV2(table_handle=handle) < 0
    except tf.errors.NotFoundError:
        return True


def test_hash_table_is_freed_with_its_layer():
    layer = IdEmbedding(["a", "b"], 2)
    handle = layer._lookup._hash_table.resource_handle
    assert not is_freed(handle)
    del layer
    gc.collect()
    assert is_freed(handle)


def test_hash_table_freed_during_tracing_adds_no_operation_to_the_graph():
    layers = [IdEmbedding(["a", "b"], 2)]
    handle = layers[0]._lookup._hash_table.resource_handle

    @tf.function
    def double(number):
        layers.clear()
        gc.collect()
        return 2 * number

    graph = double.get_concrete_function(tf.constant(1.0)).graph
    assert "DestroyResourceOp" not in [operation.type for operation in graph.get_operations()]
    assert is_freed(handle)


def test_vectors_of_attributes_are_added_and_not_dropped():
    kinds = rk.layers.Attribute(
        ["a", "b"], [["x"], ["x", "y"]], rk.layers.TagsEmbedding([*"xy"], 3)
    )
    layer = rk.layers.IdAttributesEmbedding(["a", "b", "c"], 3, [kinds], id_dropout_rate=0.5)
    ids = tf.constant([["a", "b"], ["c", "new"]])
    own = layer._embedding(layer.encode(ids))
    attributes = tf.reshape(kinds(tf.reshape(ids, [-1])), [2, 2, 3])
    np.testing.assert_allclose(layer(ids), own + attributes, atol=1e-6)
    several = rk.layers.IdAttributesEmbedding(["a", "b"], 3, [kinds], num_oov_indices=3)
    unknown = several._embedding(several.encode(tf.constant(["new"]))) + attributes[1, 1]
    np.testing.assert_allclose(several(tf.constant(["new"])), unknown, atol=1e-6)
    many = layer(tf.constant(["a"] * 200), training=True)
    dropped = layer._embedding(tf.zeros([], tf.int64)) + attributes[0, 0]
    is_dropped = np.isclose(many, dropped, atol=1e-6).all(axis=1)
    assert 60 < is_dropped.sum() < 140
    np.testing.assert_allclose(many[~is_dropped], np.repeat(layer(ids)[:1, 0], sum(~is_dropped), 0))


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ([], ValueError, "at least one Attribute layer"),
        ("kind", TypeError, "a list of Attribute layers"),
        (
            [rk.layers.IdEmbedding(["a"], 3)],
            TypeError,
            r"attributes\[0\] must be a rankkit.layers.Att",
        ),
    ],
)
def test_attributes_that_are_none_are_refused(attributes, error, message):
    with pytest.raises(error, match=message):
        rk.layers.IdAttributesEmbedding(["a"], 3, attributes)


def test_attributes_of_another_kind_of_id_or_dimension_are_refused():
    tags = rk.layers.TagsEmbedding(["x"], 4)
    with pytest.raises(ValueError, match="The embedding_dim of attributes"):
        rk.layers.IdAttributesEmbedding(["a"], 3, [rk.layers.Attribute(["a"], [["x"]], tags)])
    with pytest.raises(TypeError, match="must be integers"):
        rk.layers.IdAttributesEmbedding(["a"], 4, [rk.layers.Attribute([1], [["x"]], tags)])
