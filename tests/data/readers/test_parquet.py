import datetime
import decimal
import gc
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.data.readers import parquet as parquet_module
from rankkit.data import batches, read_parquet
from rankkit.data.readers.parquet import ParquetFiles, THREADS
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import RowShard

SIZES = (7, 1, 12)  # rows of each file; its row groups have at most 5


def table(start, stop):
    numbers = range(start, stop)
    return pa.table(
        {
            "id": pa.array([f"u{number}" for number in numbers]).dictionary_encode(),
            "number": pa.array(numbers, pa.int16()),
            "rating": pa.array([number / 4 for number in numbers], pa.float64()),
            "liked": pa.array([number % 2 == 0 for number in numbers]),
            "tags": [["x", f"t{number}"][: number % 3] for number in numbers],
            "near": [[number, number + 1] for number in numbers],
            "time": pa.array([number * 1_000_000 for number in numbers], pa.timestamp("us")),
        }
    )


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


# --- What the batches hold ---


def test_rows_are_those_of_the_same_columns_in_memory(folder):
    whole = table(0, 20).drop(["time"])
    rows = {name: whole[name].to_pylist() for name in whole.column_names}
    rows["number"] = np.array(rows["number"], np.int16)
    expected = batches(rows, 6)
    got = read_parquet(folder, list(rows), 6)
    assert {n: spec.dtype for n, spec in got.element_spec.items()} == {
        n: spec.dtype for n, spec in expected.element_spec.items()
    }
    for ours, theirs in zip(got, expected, strict=True):
        assert list(ours) == list(theirs)
        assert {n: plain(v) for n, v in ours.items()} == {n: plain(v) for n, v in theirs.items()}


def test_times_are_seconds(tmp_path):
    day = datetime.date(1970, 1, 3)
    moment = datetime.datetime(1970, 1, 1, 1, 0, 2, 999_000, datetime.UTC)
    times = pa.table(
        {
            "day": [day],
            "moment": pa.array([moment], pa.timestamp("ms", "Europe/Berlin")),
        }
    )
    pq.write_table(times, tmp_path / "one.parquet")
    [batch] = read_parquet(tmp_path)
    # Two days of 86,400 seconds; one hour and two seconds, whatever the zone it is shown in.
    assert {name: value.numpy().tolist() for name, value in batch.items()} == {
        "day": [172_800], "moment": [3602],
    }  # fmt: skip
    assert batch["day"].dtype == batch["moment"].dtype == tf.int64


def test_text_of_every_kind(tmp_path):
    words = pa.array(["a", "é"])
    kinds = (pa.string(), pa.large_string(), pa.string_view(), pa.binary())
    columns = {str(kind): words.cast(kind) for kind in kinds}
    pq.write_table(pa.table({**columns, "coded": words.dictionary_encode()}), tmp_path / "one")
    [batch] = read_parquet(tmp_path)
    assert {tuple(value.numpy()) for value in batch.values()} == {(b"a", "é".encode())}


def test_files_by_name_folder_pattern_and_list(folder):
    first, last = folder / "0.parquet", str(folder / "2.parquet")
    (folder / "_SUCCESS").write_text("")
    (folder / ".0.parquet.crc").write_text("")
    assert all_of(read_parquet(first)) == list(range(7))
    assert all_of(read_parquet(folder)) == list(range(20))
    assert all_of(read_parquet(folder / "*.parquet")) == list(range(20))
    assert all_of(read_parquet([last, first])) == [*range(8, 20), *range(7)]


def test_files_in_folders_of_a_folder(folder):
    (folder / "day=1").mkdir()
    (folder / "1.parquet").rename(folder / "day=1" / "part.parquet")
    assert sorted(all_of(read_parquet(folder))) == list(range(20))


def test_the_last_batch_alone_is_not_full(folder):
    whole = read_parquet(folder, ["number"], 6)
    assert [len(batch) for batch in numbers_of(whole)] == [6, 6, 6, 2]
    assert len(whole) == 4
    full = read_parquet(folder, ["number", "tags"], 6, drop_remainder=True)
    assert [len(batch) for batch in numbers_of(full)] == [6, 6, 6]
    assert len(full) == 3
    assert full.element_spec["number"].shape == [6]


def test_fewer_rows_than_a_batch(folder):
    assert numbers_of(read_parquet(folder, ["number"], 100)) == [list(range(20))]
    assert numbers_of(read_parquet(folder, ["number"], 100, drop_remainder=True)) == []


# --- The order ---


def test_every_pass_has_every_row_in_a_new_order(folder):
    shuffled = read_parquet(folder, ["number"], 6, shuffle=8)
    passes = [all_of(shuffled) for _ in range(4)]
    assert all(sorted(one) == list(range(20)) for one in passes)
    assert len(set(map(tuple, passes))) == 4


def test_a_run_goes_on_with_the_orders_of_its_epochs(folder):
    settings = {"columns": ["number"], "batch_size": 6, "shuffle": 8, "seed": 3}
    whole = read_parquet(folder, **settings)
    passes = [numbers_of(whole) for _ in range(4)]
    tf.random.set_seed(99)  # has no say
    resumed = read_parquet(folder, **settings, initial_epoch=2)
    assert [numbers_of(resumed) for _ in range(2)] == passes[2:]
    other = read_parquet(folder, **{**settings, "seed": 4})
    assert numbers_of(other) != passes[0]


def test_threads_do_not_change_the_order(folder, monkeypatch):
    def order():
        return numbers_of(read_parquet(folder, ["number"], 6, shuffle=8, seed=3))

    found = order()
    threads = pa.cpu_count()
    try:
        for at_once in (1, 7):
            pa.set_cpu_count(at_once)
            monkeypatch.setattr(parquet_module, "_GROUPS_AT_ONCE", at_once)
            assert order() == found
    finally:
        pa.set_cpu_count(threads)


def test_rows_are_mixed_over_files_and_not_only_within_them(tmp_path):
    for number in range(20):
        rows = pa.table({"number": range(number * 50, number * 50 + 50)})
        pq.write_table(rows, tmp_path / f"{number:02}.parquet")
    [first, *_] = numbers_of(read_parquet(tmp_path, ["number"], 100, shuffle=300, seed=1))
    # A batch of rows drawn from 300, which are those of six files.
    files = {number // 50 for number in first}
    assert len(files) == 6
    assert files != set(range(6))


def test_a_pass_that_ends_early_leaves_no_thread(folder):
    def reading():
        return [one for one in threading.enumerate() if one.name.startswith(THREADS)]

    rows = iter(read_parquet(folder, ["number"], 2, shuffle=4))
    next(rows)
    del rows
    deadline = time.monotonic() + 20
    while reading() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reading() == []


def test_files_outlive_what_made_them(folder):
    kept = read_parquet(folder, ["number"], 6).map(lambda batch: batch)
    gc.collect()
    assert all_of(kept) == list(range(20))


# --- Shards ---


@pytest.mark.parametrize("count", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("seed", [None, 1])
def test_shards_share_all_rows_out_evenly(folder, count, seed):
    files = ParquetFiles(file_paths(folder), ["number"], None)
    shards = []
    for number in range(count):
        draws = None if seed is None else np.random.default_rng(seed)
        tables = files.tables(draws, ["number"], RowShard(number, count))
        shards.append([row for table in tables for row in table["number"].to_pylist()])
    assert sorted(row for shard in shards for row in shard) == list(range(20))
    assert {len(shard) for shard in shards} <= {20 // count, -(-20 // count)}


def test_shuffled_shards_hold_other_rows_at_each_pass(folder):
    settings = {"columns": ["number"], "batch_size": 4, "shuffle": 8, "seed": 1}
    shards = [read_parquet(folder, **settings, shard=(number, 2)) for number in range(2)]
    passes = [[all_of(shard) for shard in shards] for _ in range(3)]
    assert all(sorted(one + other) == list(range(20)) for one, other in passes)
    assert len({frozenset(one) for one, _ in passes}) > 1


@pytest.mark.parametrize(
    ("count", "batch_size", "drop_remainder", "sizes"),
    [
        # The shards have 6, 7 and 7 rows. A batch of one row would leave two workers without.
        (3, 4, False, {(3, 3), (4, 3)}),
        (3, 6, False, {(3, 3), (4, 3)}),  # or one batch of the first, two of the others
        (3, 7, True, {()}),
        (2, 4, True, {(4, 4)}),
    ],
)
@pytest.mark.parametrize("shuffle", [False, 8])
def test_shards_have_as_many_batches(folder, count, batch_size, drop_remainder, sizes, shuffle):
    settings = {"shuffle": shuffle, "seed": 1, "drop_remainder": drop_remainder}
    shards = [
        numbers_of(read_parquet(folder, ["number"], batch_size, **settings, shard=(number, count)))
        for number in range(count)
    ]
    assert {tuple(map(len, shard)) for shard in shards} == sizes
    if not drop_remainder:
        assert sorted(row for shard in shards for batch in shard for row in batch) == [*range(20)]


def test_workers_that_train_together_take_whole_batches_or_shards(folder):
    policies = tf.data.experimental.AutoShardPolicy
    whole, shard = read_parquet(folder), read_parquet(folder, shard=(0, 2))
    assert whole.options().experimental_distribute.auto_shard_policy == policies.DATA
    assert shard.options().experimental_distribute.auto_shard_policy == policies.OFF
    # Keras would end an epoch at the number of its batches before they are divided.
    assert shard.cardinality() == tf.data.UNKNOWN_CARDINALITY


# --- What takes them ---


def test_lists_and_batches_take_single_rows(tmp_path):
    rows = {"user_id": ["a", "b", "a", "b", "b"], "rating": [1.0, 2.0, 3.0, 4.0, 5.0],
            "tags": [["x"], [], ["y", "z"], [], ["x"]]}  # fmt: skip
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    single = read_parquet(tmp_path, batch_size=2).unbatch()
    [found] = rk.data.lists(single, 2, list_size=3)
    [expected] = rk.data.lists(rows, 2, list_size=3)
    assert {n: plain(v) for n, v in found.items()} == {n: plain(v) for n, v in expected.items()}
    [batch] = batches(single, 5)
    assert batch["tags"].to_list() == [[b"x"], [], [b"y", b"z"], [], [b"x"]]


def test_training_is_the_same_as_from_memory(tmp_path):
    rows, _ = rk.data.synthetic_ratings(500, num_users=20, num_items=15)
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet", row_group_size=64)
    names = ["user_id", "item_id", "user_rating"]

    def trained(batched):
        tf.keras.utils.set_random_seed(1)
        features = {
            name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4) for name in names[:2]
        }
        model = rk.RankingModel(rk.models.tower(features), label="user_rating")
        model.compile("adagrad")
        history = model.fit(batched, epochs=2, verbose=0).history
        return history["loss"], model.evaluate(batched, verbose=0)

    assert trained(read_parquet(tmp_path, names, 64)) == trained(batches(rows, 64, columns=names))


# --- Nulls ---


@pytest.fixture
def with_nulls(tmp_path):
    rows = pa.table(
        {
            "id": ["a", "b", "c", None],
            "rating": pa.array([1.0, None, 3.0, None]),
            "tags": [["x"], None, [], ["y"]],
        }
    )
    pq.write_table(rows, tmp_path / "nulls.parquet", row_group_size=3)
    return tmp_path / "nulls.parquet"


def test_nulls_are_filled(with_nulls):
    fill = {"id": "", "rating": float("nan"), "tags": []}
    [batch] = read_parquet(with_nulls, fill=fill)
    assert batch["id"].numpy().tolist() == [b"a", b"b", b"c", b""]
    np.testing.assert_array_equal(batch["rating"], [1.0, np.nan, 3.0, np.nan])
    assert batch["tags"].to_list() == [[b"x"], [], [], [b"y"]]


def test_nulls_are_found_before_anything_is_read(with_nulls):
    text = (
        r"Column 'rating' must have a value in every row\. Got: 1 nulls in row group 0 of "
        r".*nulls\.parquet\. Give fill=\{'rating': \.\.\.\}, a value to put in their place, or"
    )
    with pytest.raises(ValueError, match=text):
        read_parquet(with_nulls, ["id", "rating"], fill={"id": ""})
    with pytest.raises(ValueError, match=r"'id' .*Got: 1 nulls in row group 1 of"):
        read_parquet(with_nulls, ["id"])


def test_nulls_that_the_file_does_not_tell_are_found_while_reading(tmp_path):
    rows = pa.table({"id": ["a", None]})
    pq.write_table(rows, tmp_path / "quiet.parquet", write_statistics=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Got: 1 nulls in row group 0 of"):
        list(read_parquet(tmp_path))


def test_nulls_in_lists(tmp_path):
    pq.write_table(pa.table({"tags": [["a"], ["b", None]]}), tmp_path / "lists.parquet")
    text = r"Lists of column 'tags' must have no nulls in them\. Got: 1 in row group 0 of .*Leave"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        list(read_parquet(tmp_path))


def test_a_filling_of_another_kind(with_nulls):
    text = r"fill\['rating'\] must be a value for a column of float\. Got: fill\['rating'\]='none'"
    with pytest.raises(TypeError, match=text):
        read_parquet(with_nulls, fill={"rating": "none"})
    text = r"Unknown column in fill 'ratings'\. Known: .* Did you mean 'rating'\?"
    with pytest.raises(ValueError, match=text):
        read_parquet(with_nulls, fill={"ratings": 0.0})


# --- Bad files and arguments ---


def test_an_unknown_column(folder):
    text = r"Unknown column of .*0\.parquet: 'ratng'\. Known: 'id', .* Did you mean 'rating'\?"
    with pytest.raises(ValueError, match=text):
        read_parquet(folder, ["id", "ratng"])


def test_a_column_that_one_file_lacks(folder):
    pq.write_table(table(0, 2).drop(["rating"]), folder / "3.parquet")
    text = r"Unknown column of .*3\.parquet: 'rating'\. Known: 'id', 'number', 'liked'"
    with pytest.raises(ValueError, match=text):
        read_parquet(folder)
    assert len(all_of(read_parquet(folder, ["number"]))) == 22


def test_a_column_of_another_type_in_one_file(folder):
    pq.write_table(pa.table({"id": [1, 2]}), folder / "3.parquet")
    text = r"Column 'id' must be of one type in all files\. Got: int64 in .*3\.parquet, dict"
    with pytest.raises(TypeError, match=text):
        read_parquet(folder, ["id"])


@pytest.mark.parametrize("kind", ["struct", "lists of lists", "decimal"])
def test_a_column_that_nothing_can_be_made_of(tmp_path, kind):
    column = {
        "struct": pa.array([{"a": 1}]),
        "lists of lists": pa.array([[[1]]]),
        "decimal": pa.array([decimal.Decimal(1)]),
    }[kind]
    pq.write_table(pa.table({"odd": column}), tmp_path / "odd.parquet")
    text = (
        r"column 'odd' must be of numbers, booleans, text, times, or lists of these\. Got: .*Cast"
    )
    with pytest.raises(TypeError, match=text):
        read_parquet(tmp_path)


def test_a_file_that_is_cut_off(folder):
    path = folder / "1.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    text = r"paths must be whole Parquet files\. Got: paths='.*1\.parquet'\. It cannot be read: .*"
    with pytest.raises(ValueError, match=text + r"Write it anew, or leave it out\."):
        read_parquet(folder)


@pytest.mark.parametrize("content", [b"", b"user_id,rating\n7,4.0\n"])
def test_a_file_that_is_none_of_parquet(tmp_path, content):
    (tmp_path / "odd.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"must be whole Parquet files\. Got: paths='.*odd\.par"):
        read_parquet(tmp_path)


def test_a_file_that_is_damaged_inside(tmp_path):
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"number": range(10_000)}), path, row_group_size=5000)
    content = bytearray(path.read_bytes())
    middle = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    content[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(content))
    text = r"whole Parquet files\. Got: paths='.*damaged\.parquet'\. It cannot be read: row group 1"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        list(read_parquet(path))


def test_files_without_rows(tmp_path):
    pq.write_table(table(0, 0), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"paths must be files with at least one row\. Got: paths"):
        read_parquet(tmp_path)
    pq.write_table(table(0, 3), tmp_path / "some.parquet")
    assert all_of(read_parquet(tmp_path)) == [0, 1, 2]


@pytest.mark.parametrize("paths", ["none.parquet", "none-*.parquet", "."])
def test_no_file(tmp_path, monkeypatch, paths):
    monkeypatch.chdir(tmp_path)
    text = r"paths must name files that exist\. Got: paths='.*', where there is none, from '.*'\. C"
    with pytest.raises(FileNotFoundError, match=text):
        read_parquet(paths)


def test_no_path():
    with pytest.raises(
        ValueError, match=r"paths must be at least one file\. Got: paths=\[\]\. Was"
    ):
        read_parquet([])
    with pytest.raises(TypeError, match=r"paths must be a file, a folder, a pattern or a list of"):
        read_parquet(7)  # pyright: ignore


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"batch_size": 0}, r"batch_size must be a whole number of at least 1\. Got: batch_size=0"),
        ({"shuffle": -1}, r"shuffle must be True, False or a window of at least 1 row\. Got: -?"),
        ({"shuffle": True, "initial_epoch": 2}, r"seed must be a number when initial_epoch is not"),
        ({"shard": (2, 2)}, r"shard must be a pair, of a number from 0 and how many there are\. G"),
        ({"shard": 3}, r"shard must be a pair, .*Got: shard=3\. The second of four workers takes"),
        ({"shard": (0, 21)}, r"number of shards must be at most the 20 rows\. Got: .*=21"),
    ],
)
def test_a_number_out_of_range(folder, settings, text):
    with pytest.raises(ValueError, match=text):
        read_parquet(folder, **settings)


def test_a_batch_size_in_the_place_of_columns(folder):
    with pytest.raises(TypeError, match=r"columns must be a list of names\. Got: columns=8192"):
        read_parquet(folder, 8192)  # pyright: ignore
