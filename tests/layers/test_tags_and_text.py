"""Lists of tags, and the words of texts."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk


def with_table(layer, table, *inputs):
    layer(*inputs)
    layer.set_weights([np.array(table, np.float32)])
    return layer(*inputs).numpy().tolist()


@pytest.mark.parametrize(
    ("pooling", "both", "one"), [("mean", 3.0, 2.0), ("sum", 6.0, 2.0), ("sqrtn", 6 / 2**0.5, 2.0)]
)
def test_pooling(pooling, both, one):
    layer = rk.layers.TagsEmbedding(["a", "b"], 1, pooling=pooling)
    tags = tf.constant([["a", "b"], ["a", ""], ["", ""], ["", "new"]])
    # Rows: unknown 9, a 2, b 4. Empty lists give zero.
    found = with_table(layer, [[9], [2], [4]], tags)
    np.testing.assert_allclose(found, [[both], [one], [0.0], [9.0]], rtol=1e-6)


def test_long_lists_are_pooled_like_short_ones():
    """Lists that are long for their table are counted instead of copied."""
    tags = [str(number) for number in range(20)]
    layer = rk.layers.TagsEmbedding(tags, 3)
    lists = np.full((4, 18), "", object)
    for row, length in enumerate([0, 1, 7, 18]):
        lists[row, :length] = np.random.default_rng(row).choice([*tags, "new"], length)
    table = tf.constant(np.arange(63, dtype=np.float32).reshape(21, 3))
    layer(tf.constant(lists))
    layer.set_weights([table])
    places = {tag: row + 1 for row, tag in enumerate(tags)}
    expected = [
        np.mean([table[places.get(tag, 0)] for tag in row if tag], axis=0) if row[0] else [0] * 3
        for row in lists
    ]
    np.testing.assert_allclose(layer(tf.constant(lists)), expected, rtol=1e-5)
    dynamic = tf.function(layer, input_signature=[tf.TensorSpec((None, None), tf.string)])
    np.testing.assert_allclose(dynamic(tf.constant(lists)), expected, rtol=1e-5)


def test_vocabulary_of_a_column():
    column = [["b", "a"], [], ["c", "a"]]
    assert rk.layers.TagsEmbedding.from_column(column, 2).vocabulary == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"vocabulary": ["a", ""]}, "vocabulary must be of members other than ''.*fills up lists"),
        ({"vocabulary": [0, -1]}, "vocabulary must be of members other than -1"),
        ({"vocabulary": ["a"], "pooling": "max"}, "Unknown pooling 'max'. Known: 'mean', 'sqrtn'"),
        ({"vocabulary": []}, "vocabulary must be a list of at least one id"),
        ({"vocabulary": ["a"], "embedding_dim": 0}, "embedding_dim must be an integer of at least"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        rk.layers.TagsEmbedding(**{"embedding_dim": 2, **arguments})


def test_tags_of_the_wrong_kind_are_named():
    layer = rk.layers.TagsEmbedding(["a"], 2, name="genres")
    with pytest.raises(TypeError, match="ids must be strings, as the vocabulary of layer 'genres'"):
        layer.encode(tf.constant([[1]]))


def test_network_reads_lists_of_any_length_in_fit_and_rank():
    rows = {
        "movie": ["m1", "m2", "m3"],
        "genres": [["Drama"], [], ["Comedy", "Drama"]],
        "rating": [3.0, 1.0, 5.0],
    }
    network = rk.ranking_network(
        {
            "movie": rk.layers.IdEmbedding(rows["movie"], 2),
            "genres": rk.layers.TagsEmbedding.from_column(rows["genres"], 2),
        },
        head=rk.layers.DenseRatingHead([4]),
    )
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    model.fit(rk.data.batches(rows, 2), verbose=0)
    whole = {"movie": rows["movie"], "genres": rows["genres"]}
    ranking = rk.rank(model, {}, whole)
    by_hand = model({"movie": tf.constant(["m3"]), "genres": tf.constant([["Comedy", "Drama"]])})
    scores = {candidate["movie"]: score for candidate, score in ranking}
    assert scores["m3"] == pytest.approx(float(by_hand[0, 0]), abs=1e-6)
    asked = rk.rank(model, {"genres": ["Drama"]}, {"movie": ["m1", "m2"]})
    assert dict(asked)["m1"] == pytest.approx(scores["m1"], abs=1e-6)
    several = rk.rank(model, {"genres": [["Drama"], []]}, {"movie": ["m1", "m2"]})
    assert dict(several[1])["m2"] == pytest.approx(scores["m2"], abs=1e-6)


def test_words_are_lower_case_letters_and_digits():
    layer = rk.layers.TextEmbedding(["amélie", "2", "n"], 1)
    found = layer.encode(tf.constant(["AMÉLIE, (2)", "--", "Rock'n'Roll"]))
    # Rows: unknown 0, amélie 1, 2 2, n 3.
    assert found.numpy().tolist() == [[1, 2, -1], [-1, -1, -1], [0, 3, 0]]


def test_words_of_a_column():
    titles = ["Die Hard", "Die Hard 2", "Hard Eight", "Die Hard"]
    make = rk.layers.TextEmbedding.from_column
    assert make(titles, 2).vocabulary == ["2", "die", "eight", "hard"]
    # Each title counts once, however often it was rated.
    assert make(titles, 2, min_count=3).vocabulary == ["hard"]
    with pytest.raises(ValueError, match="min_count must be at most the texts that a word is in"):
        make(titles, 2, min_count=4)


def test_texts_are_refused_by_tflite_in_plain_words(tmp_path):
    network = rk.ranking_network(
        {"title": rk.layers.TextEmbedding(["die", "hard"], 2)}, head=rk.layers.DenseRatingHead([])
    )
    rk.export.save(network, tmp_path / "1")
    with pytest.raises(ValueError, match=r"built-in.*StringSplit.*rankkit\.layers\.Attribute"):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    assert not (tmp_path / "ranker.tflite").exists()
