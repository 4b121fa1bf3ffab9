import bz2
import gzip
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
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
def small_blocks(monkeypatch):
    """Makes files of a few rows consist of several blocks."""
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 64)


def values(batched):
    return [{name: column.numpy().tolist() for name, column in one.items()} for one in batched]


def test_column_types_are_inferred_from_the_first_rows(write):
    batched = read_csv(write(ROWS), batch_size=2)
    assert values(batched) == [
        {"user_id": [7, 42], "rating": [4.5, 2.0], "title": [b"Heat, 1995", b"Speed"]},
        {"user_id": [7], "rating": [3.0], "title": [b""]},
    ]
    dtypes = [spec.dtype for spec in batched.element_spec.values()]
    assert dtypes == [tf.int64, tf.float32, tf.string]


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        (ROWS, {"columns": ["rating", "user_id"], "types": {"user_id": str}},
         {"rating": [4.5, 2.0, 3.0], "user_id": [b"7", b"42", b"7"]}),
        # As the ratings of MovieLens 100K.
        ("7\t4\t881250949\n42\t2\t891717742\n",
         {"names": ["user_id", "rating", "time"], "delimiter": "\t"},
         {"user_id": [7, 42], "rating": [4, 2], "time": [881250949, 891717742]}),
        ("day,time\n1970-01-02,1970-01-01 01:00:02\n", {}, {"day": [86_400], "time": [3602]}),
    ],
)  # fmt: skip
def test_columns_are_selected_named_and_cast(write, text, settings, expected):
    assert values(read_csv(write(text), **settings)) == [expected]


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


def test_shard_reads_only_its_own_files(write):
    paths = [write(f"number\n{file}\n", f"{file}.csv") for file in range(3)]
    shard = read_csv(paths, shard=(1, 3))
    paths[0].unlink()
    paths[2].unlink()
    assert values(shard) == [{"number": [1]}]


# --- Invalid files and arguments ---


def test_empty_numeric_cells_are_nulls(write):
    path = write("id,rating\na,\n,2\n")
    assert values(read_csv(path, fill={"rating": 0})) == [{"id": [b"a", b""], "rating": [0, 2]}]
    text = r"Column 'rating' must have a value in every row\. Got: 1 nulls in .*rows\.csv\. Pass"
    with pytest.raises(ValueError, match=text):
        list(read_csv(path))


TYPE = r"Fix that row, or pass the type of the column, such as types=\{'user_id': str\}\."
QUOTES = r"Fix that row: a cell that contains the delimiter must be in double quotes\."


@pytest.mark.parametrize(
    ("line", "text", "fix"),
    [
        ("u,x", r"In CSV column #1: Row #22: CSV conversion error to int", TYPE),
        ("u,1,2", r"CSV parse error: Row #22: Expected 2 columns, got 3", QUOTES),
        ("u", r"CSV parse error: Row #22: Expected 2 columns, got 1", QUOTES),
    ],
)
def test_malformed_line_is_named_with_a_fix(write, small_blocks, line, text, fix):
    path = write("id,rating\n" + "u,1\n" * 20 + line + "\n")
    message = rf"(?s)rows\.csv cannot be parsed: {text}.*{fix}"
    with pytest.raises(ValueError, match=message):
        list(read_csv(path))


PARSED = r"rows\.csv cannot be parsed: .*"


@pytest.mark.parametrize(
    ("content", "settings", "text"),
    [
        ("id,rating\nu,1\nu,1,2\n", {}, PARSED + r"Row #3: Expected 2 columns"),
        ("id,rating\nu,x\n", {"types": {"rating": int}}, PARSED + "conversion error to int64"),
        # The rows are counted for a shard.
        ("id,rating\n" + "u,1\n" * 20 + "u,1,2\n", {"shard": (0, 2)}, PARSED + r"Row #22: Exp"),
        ("", {}, "files with at least one row"),
        ("id,rating\n", {}, "paths must be files with at least one row"),
    ],
)
def test_unsuitable_file_is_named_before_reading(write, small_blocks, content, settings, text):
    with pytest.raises(ValueError, match=text):
        read_csv(write(content), **settings)


def test_column_without_values_in_the_first_rows_needs_a_type(write):
    path = write("id,rating\na,\n")
    text = r"cannot be inferred.*: 'rating'\. .* such as types=\{'rating': str\} for ids"
    with pytest.raises(ValueError, match=text):
        read_csv(path)
    both = write("id,rating,day\n,1,\n", "both.csv")
    with pytest.raises(ValueError, match=r"'id', 'day'\. .* types=\{'id': str, 'day': str\}"):
        read_csv(both)
    settings = {"types": {"rating": float}, "fill": {"rating": 1.0}}
    assert values(read_csv(path, **settings)) == [{"id": [b"a"], "rating": [1.0]}]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"columns": ["ratng"]}, r"Unknown column of .*: 'ratng'\. .* mean 'rating'\?"),
        ({"types": {"ratng": int}}, r"Unknown column in types 'ratng'\. .* 'rating'\?"),
        ({"fill": {"ratng": 0}}, r"Unknown column in fill 'ratng'\. .* mean 'rating'"),
        ({"types": {"rating": "int"}}, r"types\['rating'\] must be str, int, float or"),
        ({"delimiter": "::"}, r"delimiter must be a single character\. Got: .*='::'"),
    ],
)
def test_invalid_argument(write, settings, text):
    with pytest.raises(ValueError, match=text):
        read_csv(write(ROWS), **settings)


def test_repeated_and_missing_names_in_the_header(write):
    first, path = write("id,rating\n1,2\n", "0.csv"), write("id,rating,id\n1,2,3\n", "1.csv")
    text = r"Missing column of .*2\.csv: 'rating'\. Expected: 'id', 'rating'\. Got: 'id', 'ratings'"
    with pytest.raises(ValueError, match=text):
        read_csv([first, write("id,ratings\n1,1\n", "2.csv")])
    text = r"The name of each column of .*1\.csv must be unique\. Got: 'id' 2 times\. Rename"
    for paths in (path, [first, path]):
        with pytest.raises(ValueError, match=text):
            read_csv(paths)
    assert values(read_csv(path, ["rating"])) == [{"rating": [2]}]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("text", ["id,r\né,1\n", "é,r\na,1\n", "中,r\na,1\n"])
def test_other_encodings_are_named(tmp_path, encoding, text):
    good, path = tmp_path / "0.csv", tmp_path / "1.csv.gz"
    path.write_bytes(gzip.compress(text.encode(encoding)))
    good.write_text(text)
    name = encoding.upper().replace("-BE", "BE").replace("-LE", "LE")
    for paths in (path, [good, path]):
        with pytest.raises(ValueError, match=f"1.csv.gz .* Got: {name}.* -f {name} -t UTF-8.$"):
            list(read_csv(paths))


@pytest.mark.parametrize("text", ["id,r\né,1\n", "é,r\na,1\n"])
def test_eight_bit_encodings_are_refused(tmp_path, text):
    path = tmp_path / "1.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="1.csv must be text in UTF-8.*with the encoding that it"):
        read_csv(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (gzip.compress(b"id\n1\n", mtime=0), "must be a CSV file. Got: .*gzip. .*ends in .gz"),
        (bz2.compress(b"id\n1\n"), "must be a CSV file. Got: .*bzip2. .*ends in .bz2"),
        (lzma.compress(b"id\n1\n"), "must be a CSV file. Got: .*xz. Unpack it"),
        (b"PK\x03\x04" + bytes(99), "must be a CSV file. Got: a zip file.*Unpack it"),
        (b"PAR1" + bytes(99), "must be a CSV file. Got: a Parquet file. .*read_parquet"),
        (b"\n<!DOCTYPE html>\n<html>", "must be a CSV file. Got: an HTML or XML page.*Download"),
        (b"\xef\xbb\xbf<HTML>\n", "must be a CSV file. Got: an HTML or XML page.*Download"),
    ],
)
def test_other_files_are_named(tmp_path, content, text):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=text):
        read_csv(path)


def test_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(b"id\n1\n")
    with pytest.raises(ValueError, match="rows.csv.gz' cannot be read as a CSV file: .*inflate"):
        read_csv(path)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_errors_of_the_reading_thread_are_one_sentence(write, small_blocks, method):
    path = write("id,rating\n" + "u,1\n" * 20 + "u,x\n")
    data = read_csv(path, batch_size=4)
    text = r"^[^\n]*rows\.csv cannot be parsed: In CSV column #1: Row #22: [^\n]*: str\}\.$"
    for iterate in (list, lambda each: list(each.as_numpy_iterator())):
        with pytest.raises(ValueError, match=text):
            iterate(data)
    network = rk.models.tower({"id": rk.layers.IdEmbedding(["u"], 2)}, hidden_units=[2])
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    with pytest.raises(ValueError, match=text):
        getattr(model, method)(data, verbose=0)


def test_data_set_stays_one_of_tensorflow(write):
    data = read_csv(write("id\na\nb\nc\n"), batch_size=2)
    assert isinstance(data, tf.data.Dataset)
    assert len(list(data.map(lambda batch: batch).take(9))) == 2
    shared = tf.distribute.OneDeviceStrategy("/cpu:0").experimental_distribute_dataset(data)
    assert len(list(shared)) == 2
    count = tf.function(lambda each: each.reduce(0, lambda number, _: number + 1))
    assert count(data) == 2
    assert tf.function(lambda iterator: next(iterator))(iter(data))["id"].numpy().tolist() == [
        b"a",
        b"b",
    ]


def test_encoding_is_named_after_the_first_block(tmp_path, small_blocks):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"id,rating\n" + b"abc,1\n" * 50 + "é,1\n".encode("latin-1"))
    text = r"must be text in UTF-8\. Got: .*Row #52: .*invalid UTF8.*iconv"
    with pytest.raises(ValueError, match=text):
        list(read_csv(path))


def test_all_columns_with_nulls_are_named_at_once(write):
    path = write("id,a,b\nx,1,\ny,,2\nz,,3\n")
    text = r"Columns 'a', 'b' must .* Got: 2 nulls in 'a', 1 nulls in 'b' in .*'a.{1,2}: ..., .*b"
    with pytest.raises(ValueError, match=text):
        list(read_csv(path))


def test_ids_are_not_rounded(write):
    fix = "types=.*: int.* to read_csv"
    for cell in ("16777217.0", "18446744073709551615"):
        path = write(f"id\n{cell}\n")
        with pytest.raises(ValueError, match=f"2.24 .*float32 rounds.*{fix}"):
            list(read_csv(path))
        assert values(read_csv(path, types={"id": str})) == [{"id": [cell.encode()]}]
