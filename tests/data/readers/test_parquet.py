import datetime
import decimal
import gc
import re
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.data import batches, read_parquet
from rankkit.data.readers.parquet import THREAD_NAME_PREFIX

SIZES = (7, 1, 12)  # rows per file, in row groups of at most 5


def table(start, stop):
    numbers = range(start, stop)
    columns = {
        "id": pa.array([f"u{number}" for number in numbers]).dictionary_encode(),
        "number": pa.array(numbers, pa.int16()),
        "rating": pa.array([number / 4 for number in numbers], pa.float64()),
        "liked": pa.array([number % 2 == 0 for number in numbers]),
        "tags": [["x", f"t{number}"][: number % 3] for number in numbers],
        "near": [[number, number + 1] for number in numbers],
        "time": pa.array([number * 1_000_000 for number in numbers], pa.timestamp("us")),
    }
    return pa.table(columns)


@pytest.fixture
def folder(tmp_path):
    """Twenty rows in three files, numbered in the order of the files' names."""
    start = 0
    for number, size in enumerate(SIZES):
        pq.write_table(table(start, start + size), tmp_path / f"{number}.parquet", row_group_size=5)
        start += size
    return tmp_path


def numbers_of(batched):
    return [batch["number"].numpy().tolist() for batch in batched]


def all_of(batched):
    return [number for batch in numbers_of(batched) for number in batch]


def plain(value):
    return value.to_list() if isinstance(value, tf.RaggedTensor) else value.numpy().tolist()


# --- Contents ---


def test_batches_equal_those_of_rows_in_memory(folder):
    whole = table(0, 20).drop(["time"])
    rows = {name: whole[name].to_pylist() for name in whole.column_names}
    rows["number"] = np.array(rows["number"], np.int16)
    expected = batches(rows, 6)
    got = read_parquet(folder, list(rows), 6)
    for ours, theirs in zip(got, expected, strict=True):
        assert list(ours) == list(theirs)
        for name, column in ours.items():
            assert column.dtype == theirs[name].dtype
            assert plain(column) == plain(theirs[name])


def test_times_become_seconds(tmp_path):
    day = datetime.date(1970, 1, 3)
    time = datetime.datetime(1970, 1, 1, 1, 0, 2, 999_000, datetime.UTC)
    times = pa.array([time], pa.timestamp("ms", "Europe/Berlin"))
    early = np.array(["1969-12-31T23:59:59.5"], "datetime64[ms]")
    columns = {"day": [day], "time": times, "early": early}
    pq.write_table(pa.table(columns), tmp_path / "one.parquet")
    [batch] = read_parquet(tmp_path)
    # Two days of 86,400 seconds; one hour and two seconds, in UTC; rounded down as in memory.
    assert list(map(plain, batch.values())) == [[172_800], [3602], [-1]]
    assert {column.dtype for column in batch.values()} == {tf.int64}


def test_all_text_types_become_strings(tmp_path):
    words = pa.array(["a", "é"])
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.binary())
    columns = {str(kind): words.cast(kind) for kind in kinds}
    pq.write_table(pa.table({**columns, "coded": words.dictionary_encode()}), tmp_path / "one")
    [batch] = read_parquet(tmp_path)
    assert {tuple(value.numpy()) for value in batch.values()} == {(b"a", "é".encode())}


def test_paths_may_be_a_file_folder_pattern_or_list(folder):
    first, last = folder / "0.parquet", str(folder / "2.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / ".0.parquet.crc").write_text("")
    assert all_of(read_parquet(first)) == list(range(7))
    assert all_of(read_parquet(folder)) == list(range(20))
    assert all_of(read_parquet(folder / "*.parquet")) == list(range(20))
    assert all_of(read_parquet([last, first])) == [*range(8, 20), *range(7)]
    (folder / "day=1").mkdir()
    (folder / "1.parquet").rename(folder / "day=1" / "part.parquet")
    assert sorted(all_of(read_parquet(folder))) == list(range(20))


def test_only_the_last_batch_is_incomplete(folder):
    whole = read_parquet(folder, ["number"], 6)
    assert [len(batch) for batch in numbers_of(whole)] == [6, 6, 6, 2]
    assert len(whole) == 4
    full = read_parquet(folder, ["number", "tags"], 6, drop_remainder=True)
    assert [len(batch) for batch in numbers_of(full)] == [6, 6, 6]
    assert len(full) == 3
    assert full.element_spec["number"].shape == [6]
    assert numbers_of(read_parquet(folder, ["number"], 100)) == [list(range(20))]
    assert numbers_of(read_parquet(folder, ["number"], 100, drop_remainder=True)) == []


# --- Order ---


def test_number_of_threads_does_not_change_the_order(folder):
    def order():
        return numbers_of(read_parquet(folder, ["number"], 6, shuffle=8, seed=3))

    expected = order()
    threads = pa.cpu_count()
    try:
        for count in (1, 7):
            pa.set_cpu_count(count)
            assert order() == expected
    finally:
        pa.set_cpu_count(threads)


def test_rows_of_different_files_are_mixed(tmp_path):
    for number in range(20):
        rows = pa.table({"number": range(number * 50, number * 50 + 50)})
        pq.write_table(rows, tmp_path / f"{number:02}.parquet")
    [first, *_] = numbers_of(read_parquet(tmp_path, ["number"], 100, shuffle=300, seed=1))
    # 100 rows drawn from a buffer of 300, which holds six files.
    files = {number // 50 for number in first}
    assert len(files) == 6
    assert files != set(range(6))


def test_stopping_early_leaves_no_thread(folder):
    def reading():
        threads = threading.enumerate()
        return [thread for thread in threads if thread.name.startswith(THREAD_NAME_PREFIX)]

    rows = iter(read_parquet(folder, ["number"], 2, shuffle=4))
    next(rows)
    del rows
    deadline = time.monotonic() + 20
    while reading() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reading() == []


def test_derived_data_set_outlives_its_source(folder):
    kept = read_parquet(folder, ["number"], 6).map(lambda batch: batch)
    gc.collect()
    assert all_of(kept) == list(range(20))


# --- Use ---


def test_unbatched_rows_can_be_batched_and_listed(tmp_path):
    tags = [["x"], [], ["y", "z"], [], ["x"]]
    rows = {"user_id": list("ababb"), "rating": [1.0, 2.0, 3.0, 4.0, 5.0], "tags": tags}
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    single = read_parquet(tmp_path, batch_size=2).unbatch()
    [found] = rk.data.lists(single, 2, list_size=3)
    [expected] = rk.data.lists(rows, 2, list_size=3)
    assert {n: plain(v) for n, v in found.items()} == {n: plain(v) for n, v in expected.items()}
    [batch] = batches(single, 5)
    assert batch["tags"].to_list() == [[b"x"], [], [b"y", b"z"], [], [b"x"]]


def test_training_equals_training_from_memory(tmp_path):
    rows, _ = rk.data.synthetic_ratings(200, num_users=20, num_items=15)
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet", row_group_size=64)
    names = ["user_id", "item_id", "user_rating"]

    def trained(batched):
        tf.keras.utils.set_random_seed(1)
        vocabularies = rk.data.vocabularies(rows, names[:2])
        features = {name: rk.layers.IdEmbedding(ids, 4) for name, ids in vocabularies.items()}
        model = rk.RankingModel(rk.models.tower(features), label="user_rating")
        model.compile("adagrad")
        history = model.fit(batched, epochs=2, verbose=0).history
        return history["loss"], model.evaluate(batched, verbose=0)

    assert trained(read_parquet(tmp_path, names, 64)) == trained(batches(rows, 64, columns=names))


# --- Nulls ---


@pytest.fixture
def with_nulls(tmp_path):
    rows = {"id": ["a", "b", "c", None], "rating": [1.0, None, 3.0, None]}
    rows["tags"] = [["x"], None, [], ["y"]]
    pq.write_table(pa.table(rows), tmp_path / "nulls.parquet", row_group_size=3)
    return tmp_path / "nulls.parquet"


def test_nulls_are_filled(with_nulls):
    fill = {"id": "", "rating": float("nan"), "tags": []}
    [batch] = read_parquet(with_nulls, fill=fill)
    assert batch["id"].numpy().tolist() == [b"a", b"b", b"c", b""]
    np.testing.assert_array_equal(batch["rating"], [1.0, np.nan, 3.0, np.nan])
    assert batch["tags"].to_list() == [[b"x"], [], [], [b"y"]]


def test_nulls_are_found_before_reading(with_nulls):
    text = r"'rating' must have .* nulls in .*s\.parquet\. Pass fill=\{'rating': "
    with pytest.raises(ValueError, match=text):
        read_parquet(with_nulls, ["id", "rating"], fill={"id": ""})
    with pytest.raises(ValueError, match=r"'rating', 'id' .*Got: 2 nulls in 'rating', 1 nulls in"):
        read_parquet(with_nulls, ["id", "rating"])
    text = r"fill\['rating'\] must be a value for a column of type float\. Got: .*='none'"
    with pytest.raises(TypeError, match=text):
        read_parquet(with_nulls, fill={"rating": "none"})


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (["a", None], r"must have a value in every row\. "),
        ([["a"], ["b", None]], r"Lists of column 'x' must not contain nulls\. "),
    ],
)
def test_nulls_without_statistics_are_found_while_reading(tmp_path, column, text):
    pq.write_table(pa.table({"x": column}), tmp_path / "quiet.parquet", write_statistics=False)
    text += "Got: 1 nulls in row group 0 of"
    with pytest.raises(ValueError, match=text):
        list(read_parquet(tmp_path))


# --- Invalid files and arguments ---


def test_columns_that_do_not_fit_the_files(folder):
    text = r"Unknown column of .*0\.parquet: 'ratng'\. Known: 'id', .* Did you mean 'rating'\?"
    with pytest.raises(ValueError, match=text):
        read_parquet(folder, ["id", "ratng"])
    pq.write_table(pa.table({"id": [1, 2], "number": [3, 4]}), folder / "3.parquet")
    text = r"Unknown column of .*3\.parquet: 'rating'\. Known: 'id', 'number'"
    with pytest.raises(ValueError, match=text):
        read_parquet(folder, ["rating"])
    text = r"Column 'id' must have the same type in all files\. Got: int64 in .*3\.parquet, dict"
    with pytest.raises(TypeError, match=text):
        read_parquet(folder, ["id"])


def test_unsupported_column_type(tmp_path):
    text = r"Column 'odd' has the type .*, which is not supported\. Cast it to numbers, booleans"
    for value in ({"a": 1}, [[1]], decimal.Decimal(1), [datetime.date(2020, 1, 1)]):
        pq.write_table(pa.table({"odd": pa.array([value])}), tmp_path / "odd.parquet")
        with pytest.raises(TypeError, match=text):
            read_parquet(tmp_path)


def test_file_that_is_not_parquet(folder):
    path = folder / "1.parquet"
    text = r"'.*1\.parquet' cannot be read as a Parquet file: .*create the file again\."
    for content in (path.read_bytes()[:-20], b"", b"user_id\n7\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=text):
            read_parquet(folder)


def test_damaged_row_group_is_found_while_reading(tmp_path):
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"number": range(10_000)}), path, row_group_size=5000)
    content = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(content))
    text = r"damaged\.parquet' cannot be read as a Parquet file \(row group 1\): "
    with pytest.raises(ValueError, match=text):
        list(read_parquet(path))


def test_flipped_bit_in_a_page_with_a_checksum_is_never_read_as_data(tmp_path):
    path = tmp_path / "damaged.parquet"
    numbers = np.random.default_rng(0).normal(size=200)
    pq.write_table(pa.table({"number": numbers}), path, write_page_checksum=True)
    content = path.read_bytes()
    start = content.index(numbers[:2].tobytes())  # the page is not compressed: random numbers
    for position in range(start, start + numbers.nbytes, 197):
        damaged = bytearray(content)
        damaged[position] ^= 4
        path.write_bytes(bytes(damaged))
        with pytest.raises(ValueError, match="cannot be read as a Parquet"):
            list(read_parquet(path))


def test_files_without_rows_are_skipped(tmp_path):
    pq.write_table(table(0, 0), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"paths must be files with at least one row\. Got: paths"):
        read_parquet(tmp_path)
    pq.write_table(table(0, 3), tmp_path / "some.parquet")
    assert all_of(read_parquet(tmp_path)) == [0, 1, 2]


def test_paths_without_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for paths in ("none.parquet", "none-*.parquet", "."):
        text = rf"No files match paths='{re.escape(paths)}' \(working directory: '.*'\)\. Check"
        with pytest.raises(FileNotFoundError, match=text):
            read_parquet(paths)
    with pytest.raises(ValueError, match=r"paths must be a list of at least one file\. Got: "):
        read_parquet([])


def test_numbers_that_would_be_rounded_or_wrapped_are_refused(tmp_path):
    columns = {
        "double": pa.array([1.0, 2.0**24 + 1]),
        "doubles": pa.array([[1.0], [2.0**24 + 1]]),
        "unsigned": pa.array([1, 2**63], pa.uint64()),
        "exact": pa.array([2**63 - 1, 0], pa.uint64()),
    }
    pq.write_table(pa.table(columns), tmp_path / "one.parquet")
    for name in ("double", "doubles"):
        with pytest.raises(ValueError, match=f"'{name}' must .* Got: 16777217"):
            list(read_parquet(tmp_path, [name]))
    with pytest.raises(ValueError, match="'unsigned' .*below 2.63. Got: 92233"):
        list(read_parquet(tmp_path, ["unsigned"]))
    [batch] = read_parquet(tmp_path, ["exact"])
    assert (batch["exact"].dtype, plain(batch["exact"])) == (tf.int64, [2**63 - 1, 0])
    with pytest.raises(ValueError, match="'unsigned' .*below 2.63"):
        rk.data.vocabularies(read_parquet(tmp_path, ["unsigned"]), ["unsigned"])
