"""What every scorer of `rankkit.export.load` must do, whatever file it was loaded from."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

FILES = pytest.mark.parametrize("file", ["1", "m.tflite"])
TITLES = ["a", "b", "c", "new"]


@FILES
def test_threads_share_a_scorer(exported, file):
    scorer = rk.export.load(exported[1] / file)
    columns = [
        {"user_id": [user] * size, "movie_title": (TITLES * 50)[:size]}
        for user in ("7", "42", "?")
        for size in (1, 3, 150)
    ]
    expected = [scorer(each) for each in columns]
    with ThreadPoolExecutor(4) as pool:
        for scores, alone in zip(pool.map(scorer, columns * 60), expected * 60, strict=True):
            np.testing.assert_array_equal(scores, alone)


@FILES
def test_pickled_and_copied_scorers_have_equal_scores(exported, file, monkeypatch):
    monkeypatch.chdir(exported[1])
    scorer = rk.export.load(file)
    columns = {"user_id": ["7", "?"], "movie_title": ["a", "new"]}
    data = pickle.dumps(scorer)
    monkeypatch.chdir("/")
    for other in (pickle.loads(data), copy.copy(scorer), copy.deepcopy(scorer)):
        np.testing.assert_array_equal(other(columns), scorer(columns))


@pytest.mark.parametrize("lengths", [(1, 3), (3, 1), (2, 3), (0, 2)])
def test_signatures_name_columns_of_unequal_lengths(loaded, lengths):
    titles, users = (tf.constant(["a"] * length, tf.string) for length in lengths)
    columns = {"movie_title": titles, "user_id": users}
    for function in (loaded.signatures["serving_default"], lambda **each: loaded(each)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have equal lengths"):
            function(**columns)
    if 1 not in lengths:
        with pytest.raises(tf.errors.InvalidArgumentError, match="equal lengths, or one row"):
            loaded.signatures["rank"](**columns, k=tf.constant(2))


@pytest.fixture(scope="module")
def indexed(make_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexed") / "1"
    rk.export.save(make_network(), folder, candidates={"movie_title": TITLES})
    return rk.export.load(folder)


@pytest.mark.parametrize("rows", [0, 2, len(TITLES)])
def test_rank_indexed_takes_one_query(indexed, rows):
    users = tf.constant(["7"] * rows, tf.string)
    with pytest.raises(tf.errors.InvalidArgumentError, match="user_id must have one row"):
        indexed.loaded.signatures["rank_indexed"](user_id=users, k=tf.constant(2))


def test_pickled_index_belongs_to_the_pickled_scorer(indexed):
    scorer, index = pickle.loads(pickle.dumps((indexed, indexed.candidates)))
    query = {"user_id": "7"}
    assert rk.rank(scorer, query, index) == rk.rank(indexed, query, indexed.candidates)


def test_head_has_no_candidates_of_its_own(make_network, tmp_path):
    layers = {"user_id": rk.layers.IdEmbedding(["7"], 4), "item": rk.layers.IdEmbedding(["a"], 4)}
    heads = {name: rk.layers.DenseRatingHead([]) for name in ("like", "click")}
    network = rk.ranking_network(layers, head=heads, score={"click": 1.0})
    rk.export.save(network, tmp_path / "1", candidates={"item": ["a", "b"]})
    head = rk.export.load(tmp_path / "1").head("like")
    with pytest.raises(ValueError, match="no scores of a single head"):
        _ = head.candidates
    columns = {"user_id": ["7"], "item": ["a"]}
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(head))(columns), head(columns))


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Scorers of vectors of two numbers and of lists of integers below 9, from both formats."""
    stages = [tf.keras.layers.Embedding(9, 4), tf.keras.layers.GlobalMaxPooling1D()]
    layers = {"vector": tf.keras.layers.Dense(4), "words": tf.keras.Sequential(stages)}
    layers["vector"].feature_spec = tf.TensorSpec((None, 2), tf.float32)
    layers["words"].feature_spec = tf.TensorSpec((None, None), tf.int64)
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    folder = tmp_path_factory.mktemp("vectors")
    sample = {"vector": [[1.0, 2.0]] * 2, "words": [[1, 2], [3, 4]]}
    rk.export.save(network, folder / "1", sample=sample)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return {name: rk.export.load(folder / name) for name in ("1", "m.tflite")}


@FILES
@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones((1, 3)), r"'vector' must have the shape \(rows, 2\).*many values in each row"),
        ([[1.0]], "'vector' must have 2 values in each row"),
        ([1.0], r"'vector' must have the shape \(rows, 2\)"),
        # Padded with -1 to two numbers, the first one would be scored.
        ([[1.0], [1.0, 2.0]], "'vector' must have 2 values in each row"),
        (tf.ragged.constant([[1.0], [1.0, 2.0]]), "'vector' must have 2 values in each row"),
        ([[1.0, float("nan")]] * 2, "'vector' must be finite"),
        ([[1.0, 2.0**24 + 1]], r"'vector' must not have numbers beyond 2\^24"),
        ([[1.0, 2.0]] * 3, "equal lengths.*'vector': 3"),
    ],
)
def test_vectors_of_wrong_shapes_and_values_raise(vectors, file, vector, message):
    words = [[1], [2]]
    with pytest.raises(ValueError, match=message):
        vectors[file]({"vector": vector, "words": words})


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("signature", ["serving_default", "rank"])
def test_signatures_refuse_vectors_of_another_width(vectors, signature, width):
    """TensorFlow Serving does not compare shapes with the signature."""
    columns = {"vector": tf.ones((2, width)), "words": tf.constant([[1], [2]], tf.int64)}
    k = {"k": tf.constant(1)} if signature == "rank" else {}
    message = rf"'vector.*must have the shape \(rows, 2\).*2 {width}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        vectors["1"].loaded.signatures[signature](**columns, **k)


@FILES
@pytest.mark.parametrize("value", [None, 1.0, "a"])
def test_single_values_in_place_of_a_column_raise(vectors, file, value):
    with pytest.raises(TypeError, match=f"^Column 'vector' must be a column. Got: {value!r}."):
        vectors[file]({"vector": value, "words": [[1]]})


def test_error_of_tflite_shows_the_shapes_and_what_to_do(vectors):
    scorer = vectors["m.tflite"]
    columns = {"vector": [[1.0, 2.0]], "words": [[8, 1, 2]]}
    before = scorer(columns)
    message = r"shapes .*'words': \(1, 3\).*GATHER.*Score them with the SavedModel"
    with pytest.raises(ValueError, match=message):
        scorer({**columns, "words": [[8, 1, 99]]})  # an index beyond the table
    np.testing.assert_array_equal(scorer(columns), before)
