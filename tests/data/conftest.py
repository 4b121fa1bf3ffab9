import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def columns():
    """Twenty rows of text, numbers and lists."""
    return {
        "id": [f"u{number}" for number in range(20)],
        "rating": np.arange(20) / 2,
        "tags": [["x"] * (number % 3) for number in range(20)],
    }


@pytest.fixture
def stream(columns):
    """The same rows as a data set of unknown cardinality."""
    cells = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    signature = {
        "id": tf.TensorSpec([], tf.string),
        "rating": tf.TensorSpec([], tf.float64),
        "tags": tf.TensorSpec([None], tf.string),
    }
    return tf.data.Dataset.from_generator(lambda: iter(cells), output_signature=signature)
