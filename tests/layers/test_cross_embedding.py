import rankkit as rk
import tensorflow as tf

CrossEmbedding = rk.layers.CrossEmbedding


def test_integers_are_grouped_into_windows():
    users, seconds = ["u1", "u1", "u2", "u2", "u3"], [0, 86_399, 86_400, -1, 0]
    layer = CrossEmbedding.from_columns(users, seconds, 2, width=86_400)
    # u1 on day 0 twice; u2 on days 1 and -1; u3 on day 0.
    assert layer.get_config()["first"] == ["u1", "u2", "u2", "u3"]
    assert layer.get_config()["second"] == [0, 86_400, -86_400, 0]
    rows = layer.encode([tf.constant(users), tf.constant(seconds)])
    assert rows.numpy().tolist() == [1, 1, 2, 3, 4]


def test_unknown_pairs_of_known_values_are_out_of_vocabulary():
    layer = CrossEmbedding(["u1", "u2"], [0, 60], 2)
    rows = layer.encode([tf.constant(["u1", "u2", "u3"]), tf.constant([60, 60, 0])])
    assert rows.numpy().tolist() == [0, 2, 0]
