import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

TagsEmbedding = rk.layers.TagsEmbedding


@pytest.mark.parametrize(
    ("pooling", "both", "one"), [("mean", 3.0, 2.0), ("sum", 6.0, 2.0), ("sqrtn", 6 / 2**0.5, 2.0)]
)
def test_pooling_ignores_padding_and_counts_oov_tags(pooling, both, one):
    layer = TagsEmbedding(["a", "b"], 1, pooling=pooling)
    tags = tf.constant([["a", "b"], ["a", ""], ["", ""], ["", "new"]])
    layer(tags)
    # Rows: OOV 9, a 2, b 4. Empty lists give zero.
    layer.set_weights([np.array([[9], [2], [4]], np.float32)])
    np.testing.assert_allclose(layer(tags), [[both], [one], [0.0], [9.0]], rtol=1e-6)


def test_long_lists_are_pooled_like_short_ones():
    # Lists that are long in relation to the table are pooled by a matrix product.
    tags = [str(number) for number in range(20)]
    layer = TagsEmbedding(tags, 3)
    lists = np.full((4, 18), "", object)
    for row, length in enumerate([0, 1, 7, 18]):
        lists[row, :length] = np.random.default_rng(row).choice([*tags, "new"], length)
    table = tf.constant(np.arange(63, dtype=np.float32).reshape(21, 3))
    layer(tf.constant(lists))
    layer.set_weights([table])
    index = {tag: row + 1 for row, tag in enumerate(tags)}
    expected = [
        np.mean([table[index.get(tag, 0)] for tag in row if tag], axis=0) if row[0] else [0] * 3
        for row in lists
    ]
    np.testing.assert_allclose(layer(tf.constant(lists)), expected, rtol=1e-5)
    dynamic = tf.function(layer, input_signature=[tf.TensorSpec((None, None), tf.string)])
    np.testing.assert_allclose(dynamic(tf.constant(lists)), expected, rtol=1e-5)


def test_vocabulary_of_a_column_of_lists():
    column = [["b", "a"], [], ["c", "a"]]
    assert TagsEmbedding.from_column(column, 2).vocabulary == ["a", "b", "c"]


def test_network_reads_lists_of_any_length_in_fit_and_rank():
    genres = [["Drama"], [], ["Comedy", "Drama"]]
    rows = {"movie": ["m1", "m2", "m3"], "genres": genres, "rating": [3.0, 1.0, 5.0]}
    layers = {
        "movie": rk.layers.IdEmbedding(rows["movie"], 2),
        "genres": TagsEmbedding.from_column(rows["genres"], 2),
    }
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    model.fit(rk.data.batches(rows, 2), verbose=0)
    ranking = rk.rank(model, {}, {"movie": rows["movie"], "genres": rows["genres"]})
    direct = model({"movie": tf.constant(["m3"]), "genres": tf.constant([["Comedy", "Drama"]])})
    scores = {candidate["movie"]: score for candidate, score in ranking}
    assert scores["m3"] == pytest.approx(float(direct[0, 0]), abs=1e-6)
    one_query = rk.rank(model, {"genres": ["Drama"]}, {"movie": ["m1", "m2"]})
    assert dict(one_query)["m1"] == pytest.approx(scores["m1"], abs=1e-6)
    two_queries = rk.rank(model, {"genres": [["Drama"], []]}, {"movie": ["m1", "m2"]})
    assert dict(two_queries[1])["m2"] == pytest.approx(scores["m2"], abs=1e-6)
