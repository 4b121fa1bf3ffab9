from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk


def test_metrics_do_not_depend_on_the_number_of_chunks():
    rows, _ = rk.data.synthetic_ratings(20_000, num_users=500, num_items=90, seed=5)
    sizes = []

    class TitleLength:
        feature_specs: ClassVar = {"item_id": tf.TensorSpec((None,), tf.string)}

        def __call__(self, columns):
            sizes.append(len(columns["item_id"]))
            return np.char.str_len(np.asarray(columns["item_id"]).astype(str)).astype(float)

    metrics = rk.evaluate_ranking(
        TitleLength(), rows, train=rows, item="item_id", label="user_rating"
    ).metrics
    errors = np.char.str_len(rows["item_id"].astype(str)) - rows["user_rating"]
    assert metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert len(sizes) > 1
