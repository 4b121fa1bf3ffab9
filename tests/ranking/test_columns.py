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


def test_candidates_in_a_table_are_ranked_as_in_a_dict(network):
    candidates = {"id": IDS, "vector": VECTORS}
    views = pa.array(IDS, pa.string_view())  # as polars exports text
    for table in (pd.DataFrame(candidates), pa.table({**candidates, "id": views})):
        found, expected = (rk.rank(network, QUERY, each) for each in (table, candidates))
        assert [(row["id"], score) for row, score in found] == [
            (row["id"], score) for row, score in expected
        ]


def test_candidates_are_returned_as_python_values_and_rows_of_matrices(network):
    frame = pd.DataFrame({"id": IDS, "shelf": np.arange(4), "price": [0.5, 1.0, 1.5, 2.0]})
    candidates = {**frame, "vector": np.array(VECTORS), "new": np.array([True, False] * 2)}
    for row, _ in rk.rank(network, QUERY, candidates):
        i = IDS.index(row["id"])
        types = {name: type(value) for name, value in row.items()}
        assert types == {
            "id": str,
            "shelf": int,
            "price": float,
            "vector": np.ndarray,
            "new": bool,
        }
        assert row.pop("vector").tolist() == VECTORS[i]
        assert row == {**frame.iloc[i], "new": i % 2 == 0}


TIMES = ["2026-01-03T04:05:06.789", "2026-01-01", "2026-01-04", "2026-01-02"]
TIMES64 = np.array(TIMES, "datetime64[ms]")
IN_ZONE = pd.Series(TIMES64).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (TIMES64, list(TIMES64)),
        (TIMES64.astype("datetime64[ns]"), list(TIMES64.astype("datetime64[ns]"))),
        (np.ma.masked_array(TIMES64), list(TIMES64)),
        (list(TIMES64), list(TIMES64)),
        (TIMES64.tolist(), TIMES64.tolist()),  # of datetime.datetime
        (TIMES64.astype("datetime64[D]").tolist(), TIMES64.astype("datetime64[D]").tolist()),
        (pd.Series(TIMES64), list(TIMES64)),
        (pd.Series(TIMES64.tolist(), dtype=object), TIMES64.tolist()),
        (IN_ZONE, IN_ZONE.tolist()),
        (pa.array(TIMES64), list(TIMES64)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_times_are_scored_in_seconds_and_returned_as_given(tmp_path, times, expected):
    calendar = rk.layers.CalendarEmbedding("day_of_week", 2)
    network = rk.models.tower({"user_id": rk.layers.IdEmbedding(["7"], 2), "when": calendar})
    seconds = TIMES64.astype("datetime64[s]").astype(int).tolist()
    in_seconds = rk.rank(network, QUERY, {"when": seconds})
    candidates = {"when": times}
    index = rk.CandidateIndex(network, candidates)
    chunks = iter([{"when": times[:2]}, {"when": times[2:]}])

    def of_function(columns):
        return network({"user_id": tf.constant(["7"] * 4), **columns})

    for found in (
        rk.rank(network, QUERY, candidates),
        rk.rank(network, QUERY, index),
        rk.rank(network, QUERY, chunks, k=4),
        rk.rank(network, {"user_id": ["7", "8"]}, candidates)[0],
        rk.rank(of_function, {}, candidates),
    ):
        assert [score for _, score in found] == pytest.approx([score for _, score in in_seconds])
        order = [seconds.index(value) for value, _ in in_seconds]
        assert [value for value, _ in found] == [expected[i] for i in order]
        assert {type(value) for value, _ in found} == {type(expected[0])}
    kept = rk.rank(network, QUERY, candidates, exclude=times[:1])
    assert [value for value, _ in kept] == [expected[i] for i in order if i > 0]
    rk.export.save(network, tmp_path / "1", candidates=candidates)
    scorer = rk.export.load(tmp_path / "1")
    of_saved = [value for value, _ in rk.rank(scorer, QUERY, scorer.candidates)]
    days = [value // 86_400 for value in seconds]
    assert [days.index(value // 86_400) for value in of_saved] == order


def test_only_features_need_times_that_are_not_missing():
    times = np.array(["2026-01-01", "NaT"], "datetime64[s]")
    network = rk.models.tower({"id": rk.layers.IdEmbedding(["a", "b"], 2)})
    found = rk.rank(network, {}, {"id": ["a", "b"], "when": times, "for": times - times[0]})
    assert sum(bool(np.isnat(row["when"]) and np.isnat(row["for"])) for row, _ in found) == 1
    assert {type(row["for"]) for row, _ in found} == {np.timedelta64}
    with pytest.raises(ValueError, match="'when' must have a finite timestamp in every row"):
        rk.rank(lambda columns: columns["when"], {}, {"when": times})
    with pytest.raises(TypeError, match="'for' must be numbers, text or times"):
        rk.rank(lambda columns: columns["for"], {}, {"for": times - times[0]})


def test_rows_of_matrices_do_not_change_with_the_matrix_or_keep_it_in_memory(network):
    vectors = np.array(VECTORS)
    rankings = [rk.rank(network, QUERY, {"vector": vectors}, k) for k in (None, 2)]
    expected = [[vector.tolist() for vector, _ in ranking] for ranking in rankings]
    vectors[:] = 0
    assert [[vector.tolist() for vector, _ in ranking] for ranking in rankings] == expected
    assert all(vector.base is None for vector, _ in rankings[1])


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.ones((4, 2)), r"'vector' must have the shape \(rows, 3\). Got: \(4, 2\)"),
        (np.ones((4, 4), np.float32), r"\(rows, 3\). Got: \(4, 4\)"),
        (np.ones((4, 3, 2)), r"\(rows, 3\). Got: \(4, 3, 2\)"),
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
        (np.full((4, 3), np.nan), "'vector' must be finite"),
        ([*VECTORS[:3], [1.0, float("inf"), 0.0]], "'vector' must be finite"),
        (np.full((4, 3), 2.0**24 + 1), "'vector' must not have numbers beyond 2.24"),
        (np.full((4, 3), 2**24 + 1), "'vector' must not have numbers beyond 2.24"),
        ([[1, 2, 2**24 + 1]] * 4, "'vector' must not have numbers beyond 2.24"),
        ([[1, 2, 2**70]] * 4, "'vector' must be integers of at most 64 bits"),
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
        ranking = rk.rank(score, {}, {"x": column})
        assert [np.array(value).tolist() for value, _ in ranking] == values
        assert [score for _, score in ranking] == [1.0, 0.0]
    for tensor in seen:
        assert tensor.dtype == dtype
        assert tensor.numpy().tolist() == values


def test_functions_get_no_rounded_numbers():
    for values in ([1.0, 2.0**24 + 1], [[1.0], [1e9 + 1]]):
        for column in (values, np.array(values)):
            with pytest.raises(ValueError, match=r"'x' must not have numbers beyond 2\^24"):
                rk.rank(lambda columns: [1.0, 0.0], {}, {"x": column})


def test_integers_beyond_64_bits_are_refused():
    layers = {
        "user_id": rk.layers.IdEmbedding(["7"], 2),
        "year": rk.layers.NormalizedNumber(0.0, 1.0),
    }
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([4]))
    for values in ([2**70, 1], np.array([2**70, 1], object)):
        with pytest.raises(
            ValueError, match="'year' must be integers of at most 64 bits.*=?1180591"
        ):
            rk.rank(network, {"user_id": "7"}, {"year": values})
    with pytest.raises(ValueError, match="'year' must be integers of at most 64 bits"):
        rk.rank(network, {"year": 2**70}, {"user_id": ["7"]})


def test_index_does_not_change_with_the_array_it_was_made_from(network):
    vectors = np.array(VECTORS)
    index = rk.CandidateIndex(network, {"vector": vectors})
    before = rk.rank(network, QUERY, index)
    vectors[:] = 0
    index.refresh()
    after = rk.rank(network, QUERY, index)
    for (vector, score), (other, other_score) in zip(before, after, strict=True):
        assert (vector.tolist(), score) == (other.tolist(), other_score)


def test_saved_candidates_keep_numbers_that_look_like_padding(network, saved):
    scorer = saved[0]
    expected = rk.rank(network, QUERY, {"vector": VECTORS, "id": IDS})
    found = rk.rank(scorer, QUERY, scorer.candidates)
    for (row, _), (expected_row, _) in zip(found, expected, strict=True):
        assert {**row, "vector": row["vector"].tolist()} == expected_row


def test_exclusion_by_a_column_of_vectors_is_refused(network):
    candidates = {"vector": np.array(VECTORS), "id": IDS}
    with pytest.raises(TypeError, match="exclude must be a column without lists. Got: 'vector'"):
        rk.rank(network, QUERY, candidates, exclude={"vector": [1.0]})


def test_ids_in_arrays_of_numbers_are_excluded():
    def price(columns):
        return -np.asarray(columns["price"], float)

    ranking = rk.rank(price, {}, {"price": np.array([3, 1, 2])}, exclude=np.array([1]))
    assert [value for value, _ in ranking] == [2, 3]


def test_durations_in_lists_are_refused(network):
    vectors = [np.array([1, 2, 3], "m8[ns]")] * 2
    for column in (vectors, [list(each) for each in vectors], pa.array(vectors), [*vectors[0]]):
        with pytest.raises(TypeError, match="must be numbers, text or times"):
            rk.rank(network, QUERY, {"vector": column})
    with pytest.raises(
        TypeError, match="lists of column 'vector' must be numbers only or text only"
    ):
        rk.RankingModel(network, label="r")({"user_id": ["7"], "vector": [list(vectors[0])]})


def test_matrix_of_one_column_is_a_column_of_text():
    network = rk.ranking_network(
        {"id": rk.layers.IdEmbedding(IDS, 4)}, head=rk.layers.DenseRatingHead([4])
    )
    model = rk.RankingModel(network, label="rating")
    expected = [score for _, score in rk.rank(model, {}, {"id": IDS})]
    matrix = np.array(IDS)[:, np.newaxis]
    kinds = (matrix, matrix.astype(object), matrix.astype("S"), tf.constant(matrix))
    for column in (*kinds, pd.DataFrame({"x": IDS}), matrix.tolist()):
        assert [score for _, score in rk.rank(model, {}, {"id": column})] == expected
    with pytest.raises(
        ValueError, match=r"Got: \(4, None\). Pass one value in each row, such as ma"
    ):
        model(next(iter(rk.data.batches({"id": matrix}, 4))))
