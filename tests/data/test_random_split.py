import hashlib

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.data import random_split


def _sha256(rows):
    cells = zip(rows["user_id"], rows["movie_title"], rows["user_rating"], strict=True)
    text = "\n".join(f"{user}\t{title}\t{int(rating)}" for user, title, rating in cells)
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_tutorials_rows_in_the_tutorials_order(ratings):
    train, test = random_split(ratings)
    # Taken from the tutorial's own code: set_seed(42), shuffle(100_000, seed=42), take and skip.
    assert _sha256(train) == "05986baacbb8811171efb53a035f751eceffe2042c60ecd84af473dab1606005"
    assert _sha256(test) == "8443cb1af973f93f2d0589de4e910ad058ad37f1d524fe6fbdba8b159b47c6e5"


@pytest.mark.parametrize("num_rows", [2, 3, 1000, 2**17 + 1])
@pytest.mark.parametrize("seed", [0, 1, 42, 2**31 - 2])
def test_the_order_is_that_of_tf_data(num_rows, seed):
    train, test = random_split({"row": np.arange(num_rows)}, test_fraction=0.4, seed=seed)
    tf.random.set_seed(seed)
    rows = tf.data.Dataset.range(num_rows)
    rows = rows.shuffle(num_rows, seed=seed, reshuffle_each_iteration=False).batch(num_rows)
    expected = rows.get_single_element().numpy()
    np.testing.assert_array_equal(np.concatenate([train["row"], test["row"]]), expected)


def test_no_global_seed_is_read_or_set():
    rows = {"row": np.arange(100)}
    tf.random.set_seed(1)
    expected = tf.random.uniform([]).numpy()
    tf.random.set_seed(1)
    first, _ = random_split(rows, seed=5)
    assert tf.random.uniform([]).numpy() == expected
    tf.random.set_seed(2)
    second, _ = random_split(rows, seed=5)
    np.testing.assert_array_equal(first["row"], second["row"])


@settings(max_examples=30, deadline=None)
@given(
    num_rows=st.integers(2, 300), test_fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31)
)
def test_every_row_is_on_one_side(num_rows, test_fraction, seed):
    num_test = round(num_rows * test_fraction)
    if not 0 < num_test < num_rows or seed >= 2**31 - 1:
        return
    train, test = random_split(
        {"row": list(range(num_rows))}, test_fraction=test_fraction, seed=seed
    )
    assert len(test["row"]) == num_test
    assert sorted([*train["row"], *test["row"]]) == list(range(num_rows))


def test_a_data_frame_gives_data_frames():
    frame = pd.DataFrame({"row": np.arange(10), "id": list("abcdefghij")}, index=range(10, 20))
    train, test = random_split(frame)
    arrays, _ = random_split({"row": np.arange(10)})
    assert train["row"].tolist() == arrays["row"].tolist()
    assert train.index.tolist() == [10 + row for row in train["row"]]
    assert list(test.columns) == ["row", "id"]


@pytest.mark.parametrize("test_fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fraction_out_of_range(test_fraction):
    text = r"test_fraction must be between 0 and 1\. Got: test_fraction=.*\. Give the share"
    with pytest.raises(ValueError, match=text):
        random_split({"row": [1, 2]}, test_fraction=test_fraction)


@pytest.mark.parametrize("test_fraction", [0.1, 0.9])
def test_an_empty_side(test_fraction):
    text = r"test_fraction must be such that both sides of 3 rows get one\. Got: .* Bring more"
    with pytest.raises(ValueError, match=text):
        random_split({"row": [1, 2, 3]}, test_fraction=test_fraction)


@pytest.mark.parametrize("seed", [-1, 2**31 - 1, 1.5])
def test_a_seed_out_of_range(seed):
    text = r"seed must be a whole number from 0 to 2147483646\. Got: seed=.*\. Choose another"
    with pytest.raises(ValueError, match=text):
        random_split({"row": [1, 2]}, test_fraction=0.5, seed=seed)
