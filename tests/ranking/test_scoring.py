from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.core.chunking import chunk_rows
from rankkit.ranking.scoring import compute_scores


def network(width):
    features = {name: rk.layers.IdEmbedding(["7", "42"], width) for name in ("user", "item")}
    return rk.models.factorization_machine(features)


def test_chunks_of_wide_networks_have_fewer_rows():
    narrow, wide, widest = (chunk_rows(network(width)) for width in (17, 1700, 2_000_000))
    assert narrow == 65_536
    # Two embeddings of 1700 numbers and little else, within 2**26 numbers.
    assert 2**26 // 4000 < wide < 2**26 // 3400
    assert widest == 1024
    assert chunk_rows(rk.RankingModel(network(1700), label="rating")) == wide
    assert chunk_rows(lambda columns: columns) == 16_384


@pytest.mark.parametrize("size", [1, 7, 20])
def test_scores_do_not_depend_on_the_chunk_size(size):
    scorer = network(5)
    columns = {"user": np.array(["7", "42", "new", "7"] * 5), "item": np.array(["7", "42"] * 10)}
    chunks = [
        {name: column[start : start + size] for name, column in columns.items()}
        for start in range(0, 20, size)
    ]
    expected = scorer({name: column.astype(object) for name, column in columns.items()})[:, 0]
    assert compute_scores(scorer, chunks, 20) == pytest.approx(expected.numpy(), rel=1e-5)


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
