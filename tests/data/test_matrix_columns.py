"""Each function of `rankkit.data` keeps a matrix with missing numbers as it is."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from rankkit import data as D  # noqa: N812

FEATURES = np.arange(36, dtype=np.float32).reshape(12, 3)
FEATURES[1, 0] = FEATURES[3] = np.nan
ROWS = {
    "row": np.arange(12),
    "query_id": np.repeat([3, 1, 3, 2, 4], [3, 4, 1, 3, 1]),  # 3 is apart, 4 has a single row
    "item_id": [f"i{number}" for number in range(12)],
    "features": FEATURES,
}
LISTS = pa.FixedSizeListArray.from_arrays(FEATURES.ravel(), 3)
ARROW = pa.table({**ROWS, "features": LISTS})
CHUNKS = pa.concat_tables([ARROW.slice(0, 5), ARROW.slice(5)])
IN_MEMORY = {"dict": ROWS, "arrow": ARROW, "chunks": CHUNKS}
NAMES = ["row", "query_id", "features"]


def check(columns):
    """The features of each row are those that it had, and as many."""
    features, row = np.asarray(columns["features"]), np.asarray(columns["row"])
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, FEATURES[row])
    return row.ravel().tolist()


def check_batches(batches):
    return [row for batch in batches for row in check(batch)]


@pytest.fixture
def parquet(tmp_path):
    pq.write_table(ARROW, tmp_path / "rows.parquet", row_group_size=5)
    return tmp_path / "rows.parquet"


def stream():
    return tf.data.Dataset.from_tensor_slices({name: ROWS[name] for name in NAMES})


@pytest.mark.parametrize("kind", [*IN_MEMORY, "stream"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches(kind, shuffle):
    rows = stream() if kind == "stream" else IN_MEMORY[kind]
    batches = D.batches(rows, 5, shuffle=shuffle, seed=1, columns=NAMES)
    assert batches.element_spec["features"].shape[1:] == [3]
    assert sorted(check_batches(batches)) == list(range(12))


@pytest.mark.parametrize("kind", [*IN_MEMORY, "stream"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_lists_of_queries_that_are_apart_or_of_one_row(kind, shuffle):
    rows = stream() if kind == "stream" else IN_MEMORY[kind]
    size = {"list_size": 4} if kind == "stream" else {}
    seed = {"shuffle": shuffle, "seed": 1}
    found = []
    for batch in D.lists(rows, 2, query="query_id", columns=NAMES, **size, **seed):
        check(batch)
        mask = batch["mask"].numpy()
        for queries, kept in zip(batch["query_id"].numpy(), mask, strict=True):
            assert len({*queries}) == 1
            found.append((int(queries[0]), int(kept.sum())))
    assert sorted(found) == [(1, 4), (2, 3), (3, 4), (4, 1)]


@pytest.mark.parametrize("kind", IN_MEMORY)
@pytest.mark.parametrize(
    "split",
    [
        lambda rows: D.random_split(rows, test_fraction=0.5),
        lambda rows: next(D.k_fold(rows, 3)),
        lambda rows: D.time_split(rows, timestamp="row"),
        lambda rows: D.cold_start_split(rows, ids="query_id", test_fraction=0.5),
        lambda rows: D.leave_last_out(rows, timestamp="row", query="query_id"),
    ],
)
def test_splits(kind, split):
    train, test = split(IN_MEMORY[kind])
    assert sorted(check(train) + check(test)) == list(range(12))


@pytest.mark.parametrize("lists", [False, True])
def test_features_of_candidates(lists):
    clicks = {"query_id": [1, 2], "item_id": ["i1", "i3"]}
    candidates = {name: column for name, column in ROWS.items() if name != "query_id"}
    pairs = D.with_candidates(clicks, item="item_id", query="query_id", candidates=candidates)
    assert check(pairs) == [*range(12)] * 2
    clicks |= {"features": FEATURES[[1, 3]], "row": np.array([1, 3])}
    for replaced in (candidates, None):
        batches = D.with_negatives(
            clicks, 2, item="item_id", query="query_id", candidates=replaced, lists=lists, seed=1
        )
        assert len(check_batches(batches)) == 10


@pytest.mark.parametrize("settings", [{}, {"shuffle": True, "seed": 1}, {"drop_remainder": True}])
@pytest.mark.parametrize("first", NAMES)
def test_parquet(parquet, settings, first):
    # The number of rows is taken from the first column.
    names = [first, *(name for name in NAMES if name != first)]
    batches = D.read_parquet(parquet, names, 5, **settings)
    rows = 5 if "drop_remainder" in settings else None
    assert batches.element_spec["features"] == tf.TensorSpec([rows, 3], tf.float32)
    expected = list(range(10 if "drop_remainder" in settings else 12))
    assert sorted(check_batches(batches)) == expected
    assert sorted(check(D.collect(batches))) == expected


def test_parquet_is_written_from_columns(parquet):
    columns = D.collect(D.read_parquet(parquet))
    columns["features"] = pa.FixedSizeListArray.from_arrays(columns["features"].ravel(), 3)
    pq.write_table(pa.table(columns), parquet)
    assert check_batches(D.read_parquet(parquet)) == list(range(12))


def test_parquet_in_double_precision_and_of_shards(parquet):
    wide = ARROW.set_column(3, "features", LISTS.cast(pa.list_(pa.float64(), 3)))
    pq.write_table(wide, parquet, row_group_size=5)
    shards = [check_batches(D.read_parquet(parquet, None, 4, shard=(i, 2))) for i in range(2)]
    assert shards == [[*range(6)], [*range(6, 12)]]
    assert check_batches(D.lists(wide, 3, query="query_id"))


@pytest.mark.parametrize("lists", [[[1.0, None]], [None]])
def test_nulls_in_a_matrix_are_refused_in_parquet(parquet, lists):
    pq.write_table(pa.table({"features": pa.array(lists, pa.list_(pa.float32(), 2))}), parquet)
    with pytest.raises(ValueError, match="column 'features' must|Column 'features' must"):
        list(D.read_parquet(parquet))


def test_nulls_in_a_matrix_in_memory():
    table = pa.table({"features": pa.array([[1.0, None]], pa.list_(pa.float32(), 2))})
    [batch] = D.batches(table, 1)
    np.testing.assert_array_equal(batch["features"], [[1, np.nan]])


def test_integers_and_text_of_a_fixed_number_stay_lists(parquet):
    lists = {"ids": pa.array([[1, 2]], pa.list_(pa.int64(), 2)),
             "tags": pa.array([["a", "b"]], pa.list_(pa.string(), 2))}  # fmt: skip
    pq.write_table(pa.table(lists), parquet)
    for batches in (D.read_parquet(parquet), D.batches(pa.table(lists), 1)):
        [batch] = batches
        assert isinstance(batch["ids"], tf.RaggedTensor)
        assert isinstance(batch["tags"], tf.RaggedTensor)
