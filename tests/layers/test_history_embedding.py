import numpy as np
import rankkit as rk
import tensorflow as tf

HistoryEmbedding = rk.layers.HistoryEmbedding
USERS = ["u1", "u1", "u2", "u2", "u3"]
ITEMS = ["a", "b", "b", "c", "a"]


def test_item_to_be_scored_is_left_out():
    layer = HistoryEmbedding.from_columns(USERS, ITEMS, 1, pooling="sum")
    users, items = tf.constant(["u1", "u1", "u1", "u3", "new"]), tf.constant([*"abcaa"])
    layer([users, items])
    # Rows in the order of the sorted histories: a 1, b 2, c 4.
    layer.set_weights([np.array([[1], [2], [4]], np.float32)])
    # u1 has a and b; u3 has a alone; c is not in the history of u1.
    assert layer([users, items]).numpy().tolist() == [[2], [1], [3], [0], [0]]


def test_large_histories_are_stored_as_lists():
    number = 8_200  # a matrix would have number * (number + 1) > 2**26 cells
    histories = [[i, (i + 1) % number, (i + 2) % number] for i in range(number)]
    layer = HistoryEmbedding(list(range(number)), histories, 1, pooling="sum")
    users, items = tf.constant([5, 5, 7, -9]), tf.constant([5, 9, -9, 5])
    assert layer.encode([users, items]).dtype == tf.int32
    layer([users, items])
    layer.set_weights([np.arange(number, dtype=np.float32)[:, None]])
    # 6 + 7, 5 + 6 + 7, 7 + 8 + 9, and nothing for an unknown user.
    assert layer([users, items]).numpy().tolist() == [[13], [18], [24], [0]]


def test_training_row_does_not_leak_into_its_own_history():
    with_row = HistoryEmbedding.from_columns(USERS, ITEMS, 2)
    without = HistoryEmbedding.from_columns(USERS[1:], ITEMS[1:], 2)
    row = [tf.constant(["u1"]), tf.constant(["a"])]
    table = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]}
    for layer in (with_row, without):
        layer(row)
        order = dict.fromkeys(i for each in layer.get_config()["histories"] for i in each)
        layer.set_weights([np.array([table[item] for item in order], np.float32)])
    np.testing.assert_array_equal(with_row(row), without(row))
