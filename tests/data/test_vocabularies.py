import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rankkit.data import counting
import tensorflow as tf

from rankkit.data import batches, read_csv, read_parquet, vocabularies, vocabulary


@pytest.fixture(scope="module")
def rows():
    """Ids of which the small numbers are frequent, and lists of them."""
    draws = np.random.default_rng(1).geometric(0.05, (2, 3000))
    return {
        "user_id": np.array([f"u{number}é" for number in draws[0]], object),
        "item_id": draws[1],
        "tags": [[f"t{number}"] * (number % 3) for number in draws[0]],
        "rating": np.zeros(3000, np.float32),
    }


@pytest.fixture(scope="module")
def expected(rows):
    names = ("user_id", "item_id", "tags")
    return {name: vocabulary(rows[name], min_count=20) for name in names}


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    table = pa.table({name: pa.array(list(column)) for name, column in rows.items()})
    for number in range(3):
        part = table.slice(number * 1000, 1000)
        pq.write_table(part, folder / f"{number}.parquet", row_group_size=300)
    return folder


def test_rarer_ids_are_left_out():
    column = ["b", "a", "c", "a", "b", "a"]
    assert vocabulary(column, min_count=1) == ["a", "b", "c"]
    assert vocabulary(column, min_count=2) == ["a", "b"]
    assert vocabulary(np.array([3, 1, 3]), min_count=2) == [3]
    assert vocabulary([["x", "y"], [], ["x"]], min_count=2) == ["x"]
    assert vocabulary(np.array([b"a", "a", "b"], object), min_count=2) == ["a"]


def test_the_same_from_memory_batches_rows_and_files(rows, expected, folder, monkeypatch):
    monkeypatch.setattr(counting, "_APART", 100)  # so that sums are made on the way
    names = list(expected)
    assert {len(ids) < 60 for ids in expected.values()} == {True}
    files = read_parquet(folder, batch_size=256, shuffle=True)
    for source in (rows, batches(rows, 256), files, files.map(lambda batch: batch)):
        assert vocabularies(source, names, min_count=20) == expected
    few = read_parquet(folder, batch_size=256).take(2)
    assert vocabularies(few.unbatch(), names) == vocabularies(few, names)


def test_ids_are_plain_values(folder):
    found = vocabularies(read_parquet(folder), ["user_id", "item_id"])
    assert {type(one) for one in found["user_id"]} == {str}
    assert {type(one) for one in found["item_id"]} == {int}


def test_files_are_counted_without_a_pass_of_the_data_set(folder):
    def order(counted):
        batched = read_parquet(folder, ["item_id"], 500, shuffle=True, seed=1)
        if counted:
            vocabularies(batched, ["item_id"])
        return [batch["item_id"].numpy().tolist() for batch in batched]

    assert order(True) == order(False)


def test_what_was_left_out_of_a_data_set_is_not_counted(folder):
    few = read_parquet(folder).filter(lambda batch: tf.reduce_any(batch["item_id"] < 0))
    with pytest.raises(ValueError, match=r"column 'item_id' must be a list of at least one id"):
        vocabularies(few, ["item_id"])


def test_csv(tmp_path):
    (tmp_path / "rows.csv").write_text("id,item\nb,2\na,1\nb,1\n")
    assert vocabularies(read_csv(tmp_path), ["id", "item"]) == {"id": ["a", "b"], "item": [1, 2]}


@pytest.mark.parametrize("verbose", [True, None])
def test_progress_is_told_where_it_is_asked_for(folder, capsys, verbose):
    vocabularies(read_parquet(folder), ["user_id"], verbose=verbose)
    told = capsys.readouterr().out
    assert ("3000/3000" in told) == bool(verbose)  # the output of a test is no terminal
    vocabularies(batches({"id": ["a", "b"]}, 1), ["id"], verbose=verbose)
    assert ("2/Unknown" in capsys.readouterr().out) == bool(verbose)


@pytest.mark.parametrize("source", ["memory", "files"])
def test_a_cut_off_that_leaves_none(rows, folder, source):
    given = rows if source == "memory" else read_parquet(folder)
    text = r"min_count must be at most \d+, as no id of .*column.* comes more often\. Got: .*=9999"
    with pytest.raises(ValueError, match=text):
        vocabularies(given, ["user_id"], min_count=9999)


def test_impossible_ids(tmp_path):
    pq.write_table(pa.table({"id": [b"a", b"\xff"], "of": ["a\n", "b"]}), tmp_path / "odd.parquet")
    with pytest.raises(
        ValueError, match=r"ids of valid UTF-8 .*Got: column='id'\. Decode the colu"
    ):
        vocabularies(read_parquet(tmp_path), ["id"])
    with pytest.raises(ValueError, match=r"column 'of' must be ids of valid UTF-8 without newline"):
        vocabularies(read_parquet(tmp_path), ["of"])


def test_wrong_arguments(folder):
    files = read_parquet(folder)
    with pytest.raises(ValueError, match=r"min_count must be an integer of at least 1\. Got: .*=0"):
        vocabularies(files, ["user_id"], min_count=0)
    with pytest.raises(ValueError, match=r"min_count must be an integer of at least 1\. Got: .*=0"):
        vocabulary(["a"], min_count=0)
    with pytest.raises(ValueError, match=r"Unknown column 'user'\. .*Did you mean 'user_id'\?"):
        vocabularies(files, ["user"])
    with pytest.raises(
        TypeError, match=r"column 'rating' must be ids that are str or int\. Got: c"
    ):
        vocabularies(files, ["rating"])
    with pytest.raises(TypeError, match=r"rows must be a data set of dicts\. Got: rows=TensorSpec"):
        vocabularies(tf.data.Dataset.range(3), ["id"])
