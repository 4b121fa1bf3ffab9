import gzip
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from rankkit.data import read_csv, read_parquet
from rankkit.data.readers import csv as csv_module

ROWS = 'user_id,rating,title\n7,4.5,"Heat, 1995"\n42,2,Speed\n7,3,\n'


@pytest.fixture
def write(tmp_path):
    def write(text, name="rows.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def folder(tmp_path):
    """Six files with the numbers from 0 to 59."""
    for file in range(6):
        rows = "".join(f"{row}\n" for row in range(file * 10, file * 10 + 10))
        (tmp_path / f"{file}.csv").write_text("number\n" + rows)
    return tmp_path


@pytest.fixture
def small_blocks(monkeypatch):
    """Makes files of a few rows consist of several blocks."""
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 64)


def values(batched):
    return [{name: column.numpy().tolist() for name, column in one.items()} for one in batched]


def numbers(batched):
    return [row for batch in values(batched) for row in batch["number"]]


def test_column_types_are_inferred_from_the_first_rows(write):
    batched = read_csv(write(ROWS), batch_size=2)
    assert values(batched) == [
        {"user_id": [7, 42], "rating": [4.5, 2.0], "title": [b"Heat, 1995", b"Speed"]},
        {"user_id": [7], "rating": [3.0], "title": [b""]},
    ]
    dtypes = [spec.dtype for spec in batched.element_spec.values()]
    assert dtypes == [tf.int64, tf.float32, tf.string]


def test_types_and_columns_select_and_cast(write):
    batched = read_csv(write(ROWS), ["rating", "user_id"], types={"user_id": str})
    assert values(batched) == [{"rating": [4.5, 2.0, 3.0], "user_id": [b"7", b"42", b"7"]}]


def test_names_and_delimiter(write):
    text = "7\t4\t881250949\n42\t2\t891717742\n"  # as the ratings of MovieLens 100K
    batched = read_csv(write(text), names=["user_id", "rating", "time"], delimiter="\t")
    assert values(batched) == [
        {"user_id": [7, 42], "rating": [4, 2], "time": [881250949, 891717742]}
    ]


def test_times_become_seconds(write):
    [batch] = values(read_csv(write("day,time\n1970-01-02,1970-01-01 01:00:02\n")))
    assert batch == {"day": [86_400], "time": [3602]}


def test_compressed_file(write, tmp_path):
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(ROWS.encode()))
    assert values(read_csv(tmp_path / "rows.csv.gz")) == values(read_csv(write(ROWS)))


def test_batches_equal_those_of_parquet(tmp_path, small_blocks):
    ids = [f"u{number}" for number in range(50)]
    ratings = np.arange(50) / 2
    lines = [f"{one},{rating}\n" for one, rating in zip(ids, ratings, strict=True)]
    for number, part in enumerate((lines[:30], lines[30:])):
        (tmp_path / f"{number}.csv").write_text("".join(["id,rating\n", *part]))
    pq.write_table(pa.table({"id": ids, "rating": ratings}), tmp_path / "rows.parquet")
    from_csv = read_csv(tmp_path / "*.csv", batch_size=8)
    assert values(from_csv) == values(read_parquet(tmp_path / "rows.parquet", batch_size=8))


def test_each_epoch_is_shuffled_differently_and_resumable(folder):
    def epochs(count, **settings):
        batched = read_csv(folder, batch_size=8, shuffle=25, seed=1, **settings)
        return [numbers(batched) for _ in range(count)]

    found = epochs(3)
    assert all(sorted(one) == list(range(60)) for one in found)
    assert len(set(map(tuple, found))) == 3
    assert epochs(1, initial_epoch=2) == found[2:]


# --- Shards ---


@pytest.mark.parametrize("count", [3, 7])
def test_shards_partition_the_rows(folder, small_blocks, count):
    settings: dict[str, Any] = {"batch_size": 4, "shuffle": 25, "seed": 1}
    shards = [read_csv(folder, **settings, shard=(number, count)) for number in range(count)]
    found = [numbers(shard) for shard in shards]
    assert sorted(row for shard in found for row in shard) == list(range(60))
    assert {len(shard) for shard in found} <= {60 // count, -(-60 // count)}
    assert len({len(list(shard)) for shard in shards}) == 1


def test_shards_equal_those_of_parquet(folder, tmp_path_factory):
    parquet = tmp_path_factory.mktemp("parquet")
    pq.write_table(pa.table({"number": range(60)}), parquet / "rows.parquet", row_group_size=10)
    for number in range(4):
        settings = {"batch_size": 8, "shard": (number, 4)}
        assert values(read_csv(folder, **settings)) == values(read_parquet(parquet, **settings))


def test_shard_reads_only_its_own_files(folder):
    shard = read_csv(folder, batch_size=4, shard=(1, 3))
    for file in (0, 1, 4, 5):
        (folder / f"{file}.csv").unlink()
    assert numbers(shard) == list(range(20, 40))


# --- Invalid files and arguments ---


def test_empty_numeric_cells_are_nulls(write):
    path = write("id,rating\na,\n,2\n")
    assert values(read_csv(path, fill={"rating": 0})) == [{"id": [b"a", b""], "rating": [0, 2]}]
    text = r"Column 'rating' must have a value in every row\. Got: 1 nulls in .*rows\.csv\. Pass"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        list(read_csv(path))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("u,x", r"In CSV column #1: Row #22: CSV conversion error to int"),
        ("u,1,2", r"CSV parse error: Row #22: Expected 2 columns, got 3"),
        ("u", r"CSV parse error: Row #22: Expected 2 columns, got 1"),
    ],
)
def test_malformed_line(write, small_blocks, line, text):
    path = write("id,rating\n" + "u,1\n" * 20 + line + "\n")
    fix = r".*Fix that row, or pass the type of the column, such as types=\{'user_id': str\}\."
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"(?s)rows\.csv cannot be parsed: {text}{fix}"
    ):
        list(read_csv(path))


@pytest.mark.parametrize(
    ("rows", "settings", "text"),
    [
        ("u,1\nu,1,2\n", {}, r"Row #3: Expected 2 columns"),
        ("u,x\n", {"types": {"rating": int}}, r"conversion error to int64"),
        ("u,1\n" * 20 + "u,1,2\n", {"shard": (0, 2)}, r"Row #22: Expected 2 columns"),
    ],
    ids=["first rows", "types", "counting for a shard"],
)
def test_malformed_line_is_found_before_reading(write, small_blocks, rows, settings, text):
    with pytest.raises(ValueError, match=rf"rows\.csv cannot be parsed: .*{text}"):
        read_csv(write("id,rating\n" + rows), **settings)


def test_column_missing_from_another_file(write):
    paths = [write("id,rating\na,1\n", "0.csv"), write("id,ratings\na,1\n", "1.csv")]
    text = r"Missing column of .*1\.csv: 'rating'\. Expected: 'id', 'rating'\. Got: 'id', 'ratings'"
    with pytest.raises(ValueError, match=text):
        read_csv(paths)


@pytest.mark.parametrize(
    ("content", "text"),
    [("", "Empty CSV file"), ("id,rating\n", "paths must be files with at least one row")],
)
def test_file_without_rows(write, content, text):
    with pytest.raises(ValueError, match=text):
        read_csv(write(content))


def test_column_without_values_in_the_first_rows_needs_a_type(write):
    path = write("id,rating\na,\n")
    text = r"type of column 'rating' cannot be inferred.* such as types=\{'rating': float\}"
    with pytest.raises(ValueError, match=text):
        read_csv(path)
    settings = {"types": {"rating": float}, "fill": {"rating": 1.0}}
    assert values(read_csv(path, **settings)) == [{"id": [b"a"], "rating": [1.0]}]


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"columns": ["ratng"]}, ValueError, r"Unknown column of .*: 'ratng'\. .* mean 'rating'\?"),
        ({"types": {"ratng": int}}, ValueError, r"Unknown column in types 'ratng'\. .* 'rating'\?"),
        ({"fill": {"ratng": 0}}, ValueError, r"Unknown column in fill 'ratng'\. .* mean 'rating'"),
        ({"types": {"rating": "int"}}, ValueError, r"types\['rating'\] must be str, int, float or"),
        ({"types": [str]}, TypeError, r"types must be a dict from column to type\. Got: types="),
        ({"fill": 0}, TypeError, r"fill must be a dict from column to value\. Got: fill=0\."),
        ({"shard": (2, 2)}, ValueError, r"shard must be \(number, count\), with 0 <= number < cou"),
        ({"shard": (0, 4)}, ValueError, r"Got: shard=\(0, 4\) for 3 rows\. Use fewer workers"),
        ({"delimiter": "::"}, ValueError, r"delimiter must be a single character\. Got: .*='::'"),
        ({"names": "abc"}, TypeError, r"names must be a list of names\. Got: .* names=\['abc'\]\."),
    ],
)
def test_invalid_argument(write, settings, error, text):
    with pytest.raises(error, match=text):
        read_csv(write(ROWS), **settings)
