"""Candidates with numbers, vectors and lists in every kind of column."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

IDS = ["a", "b", "c", "d"]
VECTORS = [[0.5, -1.0, 2.0], [1.0, 0.25, -1.0], [-1.0, -1.0, -1.0], [4.0, 0.0, 0.125]]
QUERY = {"user_id": "7"}
DTYPES = (np.float16, np.float32, np.float64)
MATRICES = {
    **{np.dtype(dtype).name: np.array(VECTORS, dtype) for dtype in DTYPES},
    "Fortran order": np.asfortranarray(VECTORS),
    "tensor": tf.constant(VECTORS),
    "ragged": tf.ragged.constant(VECTORS),
    "tuples": tuple(map(tuple, VECTORS)),
    "arrays": list(np.array(VECTORS)),
    "objects": pd.Series(list(np.array(VECTORS, np.float32))),
    "lists in pandas": pd.Series(VECTORS),
    "Arrow lists": pa.array(VECTORS),
    "Arrow lists of fixed size": pa.chunked_array([pa.array(VECTORS, pa.list_(pa.float32(), 3))]),
}
in_every_container = pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)


@pytest.fixture(scope="module")
def network():
    """A network of users and vectors of three numbers."""
    vector = tf.keras.layers.Dense(2)
    vector.feature_spec = tf.TensorSpec((None, 3), tf.float32)
    layers = {"user_id": rk.layers.IdEmbedding(["7", "42"], 4), "vector": vector}
    return rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="module")
def saved(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    sample = {"user_id": ["7"] * 4, "vector": VECTORS}
    candidates = {"vector": np.array(VECTORS), "id": IDS}
    rk.export.save(network, folder / "1", candidates=candidates, sample=sample)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return rk.export.load(folder / "1"), rk.export.load(folder / "m.tflite")


@in_every_container
def test_vectors_are_ranked_equally_in_every_container(network, saved, matrix):
    expected = rk.rank(network, QUERY, {"vector": VECTORS, "id": IDS}, k=3)
    candidates = {"vector": matrix, "id": IDS}
    index = rk.CandidateIndex(network, candidates)
    pairs = [(network, index), *((scorer, candidates) for scorer in (network, *saved))]
    for scorer, each in pairs:
        ranking = rk.rank(scorer, QUERY, each, k=3)
        assert [row["id"] for row, _ in ranking] == [row["id"] for row, _ in expected]
        assert [list(row["vector"]) for row, _ in ranking] == [row["vector"] for row, _ in expected]
        assert [s for _, s in ranking] == pytest.approx([s for _, s in expected], abs=1e-6)


@in_every_container
def test_several_queries_chunks_and_exclusions_take_any_container(network, matrix):
    def rank(candidates, query=QUERY, **arguments):
        found = rk.rank(network, query, candidates, **arguments)
        rankings = [found] if query is QUERY else found
        return [([row["id"] for row, _ in each], [s for _, s in each]) for each in rankings]

    def assert_equal(ours, theirs):
        for (ids, scores), (other_ids, other_scores) in zip(ours, theirs, strict=True):
            assert ids == other_ids
            assert scores == pytest.approx(other_scores, abs=1e-6)

    lists, other = {"vector": VECTORS, "id": IDS}, {"vector": matrix, "id": IDS}
    users = {"user_id": ["7", "42"]}
    assert_equal(rank(other, users), rank(lists, users))
    # Equal columns in containers of different types, for one query each.
    assert_equal(rank([other, lists], users), rank([lists, lists], users))
    exclude = {"id": ["b"]}
    assert_equal(rank(other, exclude=exclude), rank(lists, exclude=exclude))
    assert_equal(rank(iter([other, lists]), k=5), rank(iter([lists, other]), k=5))


def test_candidates_are_returned_as_python_values(network):
    frame = pd.DataFrame({"id": IDS, "shelf": np.arange(4), "price": [0.5, 1.0, 1.5, 2.0]})
    candidates = {**frame, "vector": np.array(VECTORS), "new": np.array([True, False] * 2)}
    for row, _ in rk.rank(network, QUERY, candidates):
        i = IDS.index(row["id"])
        assert row == {**frame.iloc[i], "vector": VECTORS[i], "new": i % 2 == 0}
        types = {name: type(value) for name, value in row.items()}
        assert types == {"id": str, "shelf": int, "price": float, "vector": list, "new": bool}


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((4, 2)), r"'vector' must have the shape \(rows, 3\). Got: \(4, 2\)"),
        (np.ones((4, 4), np.float32), r"\(rows, 3\). Got: \(4, 4\)"),
        (np.ones((4, 3, 1)), r"\(rows, 3\). Got: \(4, 3, 1\)"),
        (np.ones(4), r"\(rows, 3\). Got: \(4,\)"),
        ([1.0] * 4, r"\(rows, 3\). Got: \(4,\)"),
        # Padded with -1 to three numbers, they would be scored.
        ([*VECTORS[:3], [1.0, 2.0]], r"\(rows, 3\). Got: \(4, 2\)"),
        (pd.Series([*map(np.array, VECTORS[:3]), np.ones(4)]), r"\(rows, 3\). Got: \(4, 4\)"),
        ([*VECTORS[:3], [1.0, None, 2.0]], "'vector' is missing"),
        ([*VECTORS[:3], None], "'vector' is missing"),
        (np.ma.masked_less(VECTORS, 0), "'vector' is missing"),
        (np.full((4, 3), "x"), "'vector' must be a number. Got: 'x'"),
        # The graph of a network may make a score of 0 of them: relu(NaN) is 0 if it is fused.
        (np.full((4, 3), np.nan), "'vector' must have finite numbers"),
        ([*VECTORS[:3], [1.0, float("inf"), 0.0]], "'vector' must have finite numbers"),
        (np.full((4, 3), 2.0**24 + 1), "'vector' must not have numbers beyond 2.24"),
        (np.full((4, 3), 2**24 + 1), "'vector' must not have numbers beyond 2.24"),
        ([[1, 2, 2**24 + 1]] * 4, "'vector' must not have numbers beyond 2.24"),
    ],
)
def test_vectors_of_the_wrong_shape_or_kind_are_refused(network, vectors, message):
    for candidates in ({"vector": vectors}, iter([{"vector": vectors}])):
        with pytest.raises((ValueError, TypeError), match=message):
            rk.rank(network, QUERY, candidates)
    with pytest.raises((ValueError, TypeError), match=message):
        rk.CandidateIndex(network, {"vector": vectors})


def test_vector_of_a_query_has_the_declared_size(network):
    users = {"user_id": ["7", "42"]}
    for vector in (VECTORS[1], tuple(VECTORS[1]), np.array(VECTORS[1]), tf.constant(VECTORS[1])):
        ranking = rk.rank(network, {"vector": vector}, users)
        expected = rk.rank(network, {"vector": [VECTORS[1]] * 2}, [users, users])[0]
        assert [s for _, s in ranking] == pytest.approx([s for _, s in expected], abs=1e-6)
    for vector in ([1.0, 2.0], np.ones(4), 1.0):
        with pytest.raises(ValueError, match=r"'vector' must have the shape \(rows, 3\)"):
            rk.rank(network, {"vector": vector}, users)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1.5, 2.5], tf.float32),
        ([1, -2], tf.int32),
        ([2**40, -1], tf.int64),
        ([-(2**63), 1], tf.int64),
        ([True, False], tf.bool),
        ([[1, 2], [3, 4]], tf.int32),
    ],
)
def test_functions_get_arrays_as_they_get_lists(values, dtype):
    seen = []

    def score(columns):
        seen.append(columns["x"])
        return [1.0, 0.0]

    for column in (values, np.array(values), pd.Series(values), tf.constant(np.array(values))):
        assert rk.rank(score, {}, {"x": column}) == list(zip(values, [1.0, 0.0], strict=True))
    for tensor in seen:
        assert tensor.dtype == dtype
        assert tensor.numpy().tolist() == values


def test_functions_get_no_rounded_numbers():
    for values in ([1.0, 2.0**24 + 1], [[1.0], [1e9 + 1]]):
        for column in (values, np.array(values)):
            with pytest.raises(ValueError, match=r"'x' must not have numbers beyond 2\^24"):
                rk.rank(lambda columns: [1.0, 0.0], {}, {"x": column})


def test_index_does_not_change_with_the_array_it_was_made_from(network):
    vectors = np.array(VECTORS)
    index = rk.CandidateIndex(network, {"vector": vectors})
    before = rk.rank(network, QUERY, index)
    vectors[:] = 0
    index.refresh()
    assert rk.rank(network, QUERY, index) == before


def test_saved_candidates_keep_numbers_that_look_like_padding(network, saved):
    scorer = saved[0]
    expected = rk.rank(network, QUERY, {"vector": VECTORS, "id": IDS})
    found = rk.rank(scorer, QUERY, scorer.candidates)
    assert [row for row, _ in found] == [row for row, _ in expected]


def test_exclusion_by_a_column_of_vectors_is_refused(network):
    candidates = {"vector": np.array(VECTORS), "id": IDS}
    with pytest.raises(TypeError, match="exclude must be a column without lists. Got: 'vector'"):
        rk.rank(network, QUERY, candidates, exclude={"vector": [1.0]})


def test_ids_in_arrays_of_numbers_are_excluded():
    def price(columns):
        return -np.asarray(columns["price"], float)

    ranking = rk.rank(price, {}, {"price": np.array([3, 1, 2])}, exclude=np.array([1]))
    assert [value for value, _ in ranking] == [2, 3]
