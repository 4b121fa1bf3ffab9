"""What training takes of the memory: said, and refused where there is not enough."""

import pytest
import tensorflow as tf

import rankkit as rk

USERS = [str(user) for user in range(99)]


@pytest.fixture
def network():
    users = rk.layers.IdEmbedding(USERS, 8, name="users")
    return rk.ranking_network({"user_id": users}, head=rk.layers.DenseRatingHead([4], name="head"))


@pytest.fixture
def small_machine(monkeypatch):
    def has(count):
        monkeypatch.setattr("rankkit.utils.system.machine_bytes", lambda: count)

    return has


def test_a_report_counts_weights_slots_gradients_and_activations(network):
    report = rk.memory_report(network, optimizer="adam", batch_size=100)
    # 100 rows of 8; 8 x 4 + 4 and 4 + 1 of the head; 4 bytes each.
    assert report.weights == {"users": 3200, "head": 164}
    assert report.optimizer == 2 * 3364
    assert report.gradients == 3364
    # An id, a vector of 8 and a score; forward and backward.
    assert report.activations == 2 * 4 * 100 * (1 + 8 + 1)
    assert report.total == 3364 + 2 * 3364 + 3364 + 8000
    assert report.machine > 2**20


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        ("adagrad", 1),
        ("sgd", 1),  # Keras keeps momentums even of 0
        (tf.keras.optimizers.Adam(amsgrad=True), 3),
        (tf.keras.optimizers.legacy.Adam(), 2),
        (rk.optimizers.LazyAdam(), 2),
    ],
)
def test_what_an_optimizer_keeps(network, optimizer, slots):
    assert rk.memory_report(network, optimizer=optimizer).optimizer == slots * 3364


def test_the_optimizer_is_that_of_a_compiled_model(network):
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    assert rk.memory_report(model).optimizer == 3364


def test_its_text_is_a_table(network):
    lines = str(rk.memory_report(network, optimizer="adagrad")).splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "weights of users",
        "weights of head",
        "kept by the optimizer",
        "gradients",
        "a batch in the network",
        "in all",
        "the machine has",
    ]
    assert lines[0].endswith(" 0.0 MiB")


def test_a_batch_without_rows_is_refused(network):
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1"):
        rk.memory_report(network, batch_size=0)


def test_a_table_too_large_for_the_machine_is_refused(small_machine):
    small_machine(2**20)
    rk.layers.IdEmbedding(USERS, 2600)
    with pytest.raises(ValueError, match=r"the 100 x 2700 table of layer 'big'"):
        rk.layers.IdEmbedding(USERS, 2700, name="big")


def test_training_that_takes_more_than_the_machine_has_is_refused_ahead(network, small_machine):
    model = rk.RankingModel(network, label="rating")
    rows = rk.data.batches({"user_id": USERS, "rating": [1.0] * 99}, 9)
    model.compile("adam")
    small_machine(3 * 3364 - 1)
    expected = r"GiB for the weights and what Adam keeps of them must be at most 0\.0, which the "
    with pytest.raises(ValueError, match=expected):
        model.fit(rows, verbose=0)
    model.compile("adagrad")
    model.fit(rows, verbose=0)
