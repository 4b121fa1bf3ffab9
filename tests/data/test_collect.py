"""Reading batches into memory."""

import numpy as np
import pytest

import rankkit as rk

ROWS = {
    "user_id": np.array(["7", "42", "ü"], object),
    "item_id": np.array([2**60, 1, 2]),
    "rating": np.array([3.0, np.nan, 5.0], np.float32),
    "genres": np.array([["Drama"], [], ["Drama", "War"]], object),
    "vector": np.arange(6, dtype=np.float32).reshape(3, 2),
}


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_columns_are_those_that_were_batched(batch_size):
    columns = rk.data.collect(rk.data.batches(ROWS, batch_size))
    for name, column in ROWS.items():
        assert columns[name].dtype == column.dtype
        assert repr(columns[name].tolist()) == repr(column.tolist())


def test_files_are_collected_and_split(tmp_path):
    (tmp_path / "rows.csv").write_text("user_id,rating\n7,3\n42,4\n\u00fc,5\n", "utf-8")
    batches = rk.data.read_csv(tmp_path / "rows.csv", types={"user_id": str, "rating": float})
    train, test = rk.data.random_split(rk.data.collect(batches), test_fraction=0.34, seed=1)
    assert sorted([*train["user_id"], *test["user_id"]]) == ["42", "7", "ü"]


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([], ValueError, "batches must be at least one batch"),
        ([[1, 2]], TypeError, "Each of batches must be a dict"),
        ([{"a": [1], "b": [2]}, {"a": [1]}], ValueError, r"must be \['a', 'b'\]"),
        ({"a": [1]}, TypeError, "batches must be an iterable"),
    ],
)
def test_other_batches_are_refused(batches, error, message):
    with pytest.raises(error, match=message):
        rk.data.collect(batches)
