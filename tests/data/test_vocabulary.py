import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from rankkit.data import batches, counting, read_csv, read_parquet, vocabularies, vocabulary

# --- One column ---


TEXT, NUMBERS = ["b", "a", "b"], [10, 9, 10]


def test_ids_of_all_types_become_sorted_str_or_int():
    both = np.array([b"b", b"a", "b"], object)
    series = (pd.Series(TEXT), pd.Series(TEXT, dtype="category"))
    arrays = (np.array(TEXT), np.array(TEXT, object), np.array(TEXT, "S"), both)
    for column in (TEXT, tuple(TEXT), *arrays, *series):
        ids = vocabulary(column)
        assert (ids, set(map(type, ids))) == (["a", "b"], {str})
    for column in (NUMBERS, np.array(NUMBERS, np.int32), pd.Series(NUMBERS), [np.int64(10), 9]):
        ids = vocabulary(column)
        assert (ids, set(map(type, ids))) == ([9, 10], {int})


def test_lists_contribute_their_members():
    genres = [["Drama"], [], ["Comedy", "Drama"]]
    assert vocabulary(genres) == ["Comedy", "Drama"]
    assert vocabulary(pd.Series(genres)) == ["Comedy", "Drama"]


def test_min_count_leaves_out_rare_ids():
    column = ["b", "a", "c", "a", "b", "a"]
    assert vocabulary(column, min_count=1) == ["a", "b", "c"]
    assert vocabulary(column, min_count=2) == ["a", "b"]
    assert vocabulary(np.array([3, 1, 3]), min_count=2) == [3]
    assert vocabulary([["x", "y"], [], ["x"]], min_count=2) == ["x"]
    assert vocabulary(np.array([b"a", "a", "b"], object), min_count=2) == ["a"]


# --- Several columns, data sets and files ---


@pytest.fixture(scope="module")
def rows():
    """Ids with a skewed distribution, and lists of them."""
    samples = np.random.default_rng(1).geometric(0.05, (2, 3000))
    return {
        "user_id": np.array([f"u{number}é" for number in samples[0]], object),
        "item_id": samples[1],
        "tags": [[f"t{number}"] * (number % 3) for number in samples[0]],
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


def test_all_sources_give_the_same_vocabularies(rows, expected, folder, monkeypatch):
    monkeypatch.setattr(counting, "_PENDING_IDS", 100)  # so that counts are summed several times
    names = list(expected)
    assert {len(ids) < 60 for ids in expected.values()} == {True}
    files = read_parquet(folder, batch_size=256, shuffle=True)
    for source in (rows, batches(rows, 256), files, files.map(lambda batch: batch)):
        assert vocabularies(source, names, min_count=20) == expected
        found = vocabularies(source, names)
        assert [set(map(type, found[name])) for name in names] == [{str}, {int}, {str}]
    few = read_parquet(folder, batch_size=256).take(2)
    assert vocabularies(few.unbatch(), names) == vocabularies(few, names)


def test_counting_files_does_not_consume_an_epoch(folder):
    def order(counted):
        batched = read_parquet(folder, ["item_id"], 500, shuffle=True, seed=1)
        if counted:
            vocabularies(batched, ["item_id"])
        return [batch["item_id"].numpy().tolist() for batch in batched]

    assert order(True) == order(False)


def test_filtered_rows_are_not_counted(folder):
    few = read_parquet(folder).filter(lambda batch: tf.reduce_any(batch["item_id"] < 0))
    with pytest.raises(ValueError, match=r"Column 'item_id' must be a list of at least one id"):
        vocabularies(few, ["item_id"])


def test_csv_files_are_counted(tmp_path):
    (tmp_path / "rows.csv").write_text("id,item\nb,2\na,1\nb,1\n")
    assert vocabularies(read_csv(tmp_path), ["id", "item"]) == {"id": ["a", "b"], "item": [1, 2]}


@pytest.mark.parametrize("verbose", [True, None])
def test_progress_bar_is_shown_only_on_request(folder, capsys, verbose):
    vocabularies(read_parquet(folder), ["user_id"], verbose=verbose)
    shown = capsys.readouterr().out
    assert ("3000/3000" in shown) == bool(verbose)  # the output of a test is not a terminal
    vocabularies(batches({"id": ["a", "b"]}, 1), ["id"], verbose=verbose)
    assert ("2/Unknown" in capsys.readouterr().out) == bool(verbose)


def test_min_count_that_leaves_no_id(rows, folder):
    text = r"min_count must be at most \d+, .* column.*\. Got: min_count=9999\."
    for source in (rows, read_parquet(folder)):
        with pytest.raises(ValueError, match=text):
            vocabularies(source, ["user_id"], min_count=9999)


def test_invalid_ids_in_files(tmp_path):
    pq.write_table(pa.table({"id": [b"a", b"\xff"], "of": ["a\n", "b"]}), tmp_path / "odd.parquet")
    files = read_parquet(tmp_path)
    with pytest.raises(ValueError, match=r"'id' has ids that are not valid UTF-8\. Decode the"):
        vocabularies(files, ["id"])
    with pytest.raises(ValueError, match=r"Each id in column 'of' must be valid UTF-8"):
        vocabularies(files, ["of"])


def test_columns_without_text_or_integer_ids_are_named(folder):
    files = read_parquet(folder)
    with pytest.raises(ValueError, match=r"Unknown column 'user'\. .*Did you mean 'user_id'\?"):
        vocabularies(files, ["user"])
    text = r"Ids must be str or int, but column 'rating' has the type float\. Cast the ids"
    with pytest.raises(TypeError, match=text):
        vocabularies(files, ["rating"])
