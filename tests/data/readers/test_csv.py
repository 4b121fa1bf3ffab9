import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rankkit.data.readers import csv as csv_module
import tensorflow as tf

from rankkit.data import read_csv, read_parquet
from rankkit.data.readers.csv import CsvFiles

ROWS = 'user_id,rating,title\n7,4.5,"Heat, 1995"\n42,2,Speed\n7,3,\n'


@pytest.fixture
def write(tmp_path):
    def write(text, name="rows.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def values(batched):
    return [{name: column.numpy().tolist() for name, column in one.items()} for one in batched]


def test_columns_are_what_their_first_rows_look_like(write):
    batched = read_csv(write(ROWS), batch_size=2)
    assert values(batched) == [
        {"user_id": [7, 42], "rating": [4.5, 2.0], "title": [b"Heat, 1995", b"Speed"]},
        {"user_id": [7], "rating": [3.0], "title": [b""]},
    ]
    dtypes = [spec.dtype for spec in batched.element_spec.values()]
    assert dtypes == [tf.int64, tf.float32, tf.string]


def test_columns_are_what_types_say(write):
    batched = read_csv(write(ROWS), ["rating", "user_id"], types={"user_id": str})
    assert values(batched) == [{"rating": [4.5, 2.0, 3.0], "user_id": [b"7", b"42", b"7"]}]


def test_names_and_another_delimiter(write):
    text = "7\t4\t881250949\n42\t2\t891717742\n"  # as the ratings of MovieLens 100K
    batched = read_csv(write(text), names=["user_id", "rating", "time"], delimiter="\t")
    assert values(batched) == [
        {"user_id": [7, 42], "rating": [4, 2], "time": [881250949, 891717742]}
    ]


def test_times_are_seconds(write):
    [batch] = values(read_csv(write("day,moment\n1970-01-02,1970-01-01 01:00:02\n")))
    assert batch == {"day": [86_400], "moment": [3602]}


def test_a_compressed_file(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(ROWS.encode()))
    assert values(read_csv(path)) == values(read_csv(path, batch_size=3))


def test_equal_to_parquet_over_several_blocks_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 64)
    ids = [f"u{number}" for number in range(50)]
    ratings = np.arange(50) / 2
    lines = [f"{one},{rating}\n" for one, rating in zip(ids, ratings, strict=True)]
    for number, part in enumerate((lines[:30], lines[30:])):
        (tmp_path / f"{number}.csv").write_text("".join(["id,rating\n", *part]))
    pq.write_table(pa.table({"id": ids, "rating": ratings}), tmp_path / "rows.parquet")
    ours = read_csv(tmp_path / "*.csv", batch_size=8)
    assert values(ours) == values(read_parquet(tmp_path / "rows.parquet", batch_size=8))


@pytest.fixture
def folder(tmp_path):
    """Six files of the numbers from 0 to 59."""
    for number in range(6):
        rows = "".join(f"{row}\n" for row in range(number * 10, number * 10 + 10))
        (tmp_path / f"{number}.csv").write_text("number\n" + rows)
    return tmp_path


def test_orders(folder):
    def passes(count, **settings):
        batched = read_csv(folder, batch_size=8, shuffle=25, seed=1, **settings)
        return [[row for batch in values(batched) for row in batch["number"]] for _ in range(count)]

    found = passes(3)
    assert all(sorted(one) == list(range(60)) for one in found)
    assert len(set(map(tuple, found))) == 3
    assert passes(1, initial_epoch=2) == found[2:]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 60])
@pytest.mark.parametrize("shuffle", [False, 25])
def test_shards_share_all_rows_out_evenly(folder, monkeypatch, count, shuffle):
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 16)  # several blocks a file
    settings = {"batch_size": 4, "shuffle": shuffle, "seed": 1}
    shards = [read_csv(folder, **settings, shard=(number, count)) for number in range(count)]
    for _ in range(2):
        found = [[batch["number"] for batch in values(shard)] for shard in shards]
        rows = [[row for batch in shard for row in batch] for shard in found]
        assert sorted(row for shard in rows for row in shard) == list(range(60))
        assert {len(shard) for shard in rows} <= {60 // count, -(-60 // count)}
        assert len({len(shard) for shard in found}) == 1
        if not shuffle:
            assert [row for shard in rows for row in shard] == list(range(60))


def test_a_shard_opens_the_files_of_its_rows_alone(folder, monkeypatch):
    shard = read_csv(folder, batch_size=4, shard=(1, 3))
    opened = []
    opening = CsvFiles._open
    monkeypatch.setattr(
        CsvFiles,
        "_open",
        lambda self, path, names: opened.append(path) or opening(self, path, names),
    )
    assert [row for batch in values(shard) for row in batch["number"]] == list(range(20, 40))
    assert opened == [str(folder / "2.csv"), str(folder / "3.csv")]


def test_shards_are_those_of_parquet(folder, tmp_path_factory):
    parquet = tmp_path_factory.mktemp("parquet")
    pq.write_table(pa.table({"number": range(60)}), parquet / "rows.parquet", row_group_size=10)
    for number in range(4):
        settings = {"batch_size": 8, "shard": (number, 4)}
        assert values(read_csv(folder, **settings)) == values(read_parquet(parquet, **settings))


def test_a_bad_line_is_found_when_rows_are_counted(write, monkeypatch):
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 64)
    path = write("id,rating\n" + "u,1\n" * 20 + "u,1,2\n")
    with pytest.raises(
        ValueError, match=r"rows\.csv cannot be read: .*Row #22: Expected 2 columns"
    ):
        read_csv(path, shard=(0, 2))


def test_workers_that_train_together_take_shards_whole(folder):
    shard = read_csv(folder, shard=(0, 2))
    policy = shard.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF
    assert shard.cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_empty_cells_of_numbers_are_nulls(write):
    path = write("id,rating\na,\n,2\n")
    assert values(read_csv(path, fill={"rating": 0})) == [{"id": [b"a", b""], "rating": [0, 2]}]
    text = r"Column 'rating' must have a value in every row\. Got: 1 nulls in .*rows\.csv\. Give"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        list(read_csv(path))


# --- Bad files and arguments ---


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            "u,x",
            r"rows\.csv cannot be read: In CSV column #1: Row #22: CSV conversion error to int",
        ),
        ("u,1,2", r"rows\.csv cannot be read: CSV parse error: Row #22: Expected 2 columns, got 3"),
        ("u", r"rows\.csv cannot be read: CSV parse error: Row #22: Expected 2 columns, got 1"),
    ],
)
def test_a_bad_line(write, monkeypatch, line, text):
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 64)
    path = write("id,rating\n" + "u,1\n" * 20 + line + "\n")
    fix = r".*Mend that row, or say what the column is, such as types=\{'user_id': str\}\."
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"(?s){text}{fix}"):
        list(read_csv(path))


def test_a_bad_line_at_the_start_is_found_before_anything_is_read(write):
    with pytest.raises(ValueError, match=r"rows\.csv cannot be read: .*Row #3: Expected 2 columns"):
        read_csv(write("id,rating\nu,1\nu,1,2\n"))
    with pytest.raises(ValueError, match=r"rows\.csv cannot be read: .*conversion error to int64"):
        read_csv(write("id,rating\nu,x\n"), types={"rating": int})


def test_a_column_that_another_file_lacks(write):
    paths = [write("id,rating\na,1\n", "0.csv"), write("id,ratings\na,1\n", "1.csv")]
    text = r"Missing column of .*1\.csv: 'rating'\. Expected: 'id', 'rating'\. Got: 'id', 'ratings'"
    with pytest.raises(ValueError, match=text):
        read_csv(paths)


@pytest.mark.parametrize("text", ["", "id,rating\n"])
def test_a_file_without_rows(write, text):
    with pytest.raises(
        ValueError, match=r"Empty CSV file|paths must be files with at least one ro"
    ):
        read_csv(write(text))


def test_a_column_without_values_in_the_first_rows(write):
    path = write("id,rating\na,\n")
    text = r"column 'rating' must be of values in the first rows\. .*such as types=\{'rating': flo"
    with pytest.raises(ValueError, match=text):
        read_csv(path)
    settings = {"types": {"rating": float}, "fill": {"rating": 1.0}}
    assert values(read_csv(path, **settings)) == [{"id": [b"a"], "rating": [1.0]}]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"columns": ["ratng"]}, r"Unknown column of .*: 'ratng'\. .* Did you mean 'rating'\?"),
        ({"types": {"ratng": int}}, r"Unknown column in types 'ratng'\. .* Did you mean 'rating'"),
        ({"fill": {"ratng": 0}}, r"Unknown column in fill 'ratng'\. .* Did you mean 'rating'"),
        ({"types": {"rating": "int"}}, r"types\['rating'\] must be str, int, float or bool\. Got"),
        ({"shard": (2, 2)}, r"shard must be a pair, of a number from 0 and how many there are"),
        ({"shard": (0, 4)}, r"number of shards must be at most the 3 rows\. Got: .*=4"),
        ({"delimiter": "::"}, r"delimiter must be one character\. Got: delimiter='::'"),
    ],
)
def test_a_wrong_argument(write, settings, text):
    with pytest.raises(ValueError, match=text):
        read_csv(write(ROWS), **settings)
