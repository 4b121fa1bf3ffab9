import rankkit as rk
import tensorflow as tf

TextEmbedding = rk.layers.TextEmbedding


def test_words_are_lowercase_letters_and_digits():
    layer = TextEmbedding(["amélie", "2", "n"], 1)
    found = layer.encode(tf.constant(["AMÉLIE, (2)", "--", "Rock'n'Roll"]))
    # Rows: OOV 0, amélie 1, 2 2, n 3.
    assert found.numpy().tolist() == [[1, 2, -1], [-1, -1, -1], [0, 3, 0]]


def test_vocabulary_counts_each_distinct_text_once():
    titles = ["Die Hard", "Die Hard 2", "Hard Eight", "Die Hard"]
    assert TextEmbedding.from_column(titles, 2).vocabulary == ["2", "die", "eight", "hard"]
    assert TextEmbedding.from_column(titles, 2, min_count=3).vocabulary == ["hard"]
