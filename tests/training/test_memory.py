"""Memory that training needs: the report, and errors where the host has too little."""

import os

import pytest
import tensorflow as tf

import rankkit as rk

USERS = [str(user) for user in range(99)]
WEIGHT_BYTES = 3364


@pytest.fixture
def network():
    users = rk.layers.IdEmbedding(USERS, 8, name="users")
    return rk.ranking_network({"user_id": users}, head=rk.layers.DenseRatingHead([4], name="head"))


@pytest.fixture
def limit_memory(monkeypatch):
    """Simulates a host with so many bytes of memory."""

    def limit(count):
        values = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": count}
        monkeypatch.setattr(os, "sysconf", values.get)

    return limit


def test_report_counts_weights_optimizer_gradients_and_activations(network):
    report = rk.memory_report(network, optimizer="adam", batch_size=100)
    # An embedding table of 100 x 8; kernels and biases of 8 x 4 + 4 and 4 + 1; 4 bytes each.
    assert report.weights == {"users": 3200, "head": 164}
    assert report.optimizer == 2 * WEIGHT_BYTES
    assert report.gradients == WEIGHT_BYTES
    # An id, a vector of 8 and a score; forward and backward.
    assert report.activations == 2 * 4 * 100 * (1 + 8 + 1)
    assert report.total == 4 * WEIGHT_BYTES + 8000
    assert report.available > 2**20


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        ("adagrad", 1),
        ("sgd", 1),  # Keras creates momentum variables even for a momentum of 0
        (tf.keras.optimizers.Adam(amsgrad=True), 3),
        (tf.keras.optimizers.legacy.Adam(), 2),
        (rk.optimizers.LazyAdam(), 2),
    ],
)
def test_optimizer_variables_per_weight(network, optimizer, slots):
    assert rk.memory_report(network, optimizer=optimizer).optimizer == slots * WEIGHT_BYTES


def test_report_of_a_compiled_model_has_its_optimizer(network):
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    assert rk.memory_report(model).optimizer == WEIGHT_BYTES


def test_report_prints_as_a_table(network):
    lines = str(rk.memory_report(network, optimizer="adagrad")).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "weights of users",
        "weights of head",
        "optimizer variables",
        "gradients",
        "activations of a batch",
        "total",
        "available",
    ]
    assert lines[0].endswith(" 0.0 MiB")


def test_report_rejects_a_batch_size_of_0(network):
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        rk.memory_report(network, batch_size=0)


def test_embedding_table_larger_than_the_memory_raises(limit_memory):
    limit_memory(2**20)
    rk.layers.IdEmbedding(USERS, 2600)  # 100 x 2600 x 4 bytes
    with pytest.raises(ValueError, match=r"The 100 x 2700 embedding table of layer 'big' needs"):
        rk.layers.IdEmbedding(USERS, 2700, name="big")


def test_fit_raises_before_training_if_weights_and_optimizer_exceed_the_memory(
    network, limit_memory
):
    model = rk.RankingModel(network, label="rating")
    rows = rk.data.batches({"user_id": USERS, "rating": [1.0] * 99}, 9)
    model.compile("adam")
    limit_memory(3 * WEIGHT_BYTES - 1)
    expected = r"The weights and the variables of Adam need .* GiB of memory, and the host has "
    with pytest.raises(ValueError, match=expected):
        model.fit(rows, verbose=0)
    model.compile("adagrad")
    model.fit(rows, verbose=0)
