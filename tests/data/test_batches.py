import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rankkit.data import batches


def _ids(batched):
    return [tuple(batch["id"].numpy().astype(str)) for batch in batched]


def _epochs(batched, count):
    return [_ids(batched) for _ in range(count)]


@pytest.fixture(params=["arrays", "frame", "stream"])
def rows(request, columns, stream):
    return {"arrays": columns, "frame": pd.DataFrame(columns), "stream": stream}[request.param]


def test_batches_in_order(rows):
    first, second, third = batches(rows, 8)
    assert list(first) == ["id", "rating", "tags"]
    assert first["id"].numpy().tolist() == [f"u{number}".encode() for number in range(8)]
    assert first["rating"].dtype == tf.float32
    assert second["rating"].numpy().tolist() == [4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5]
    assert third["tags"].to_list() == [[b"x"], [b"x"] * 2, [], [b"x"]]


def test_drop_remainder(rows):
    batched = batches(rows, 8, drop_remainder=True)
    assert [len(batch) for batch in _ids(batched)] == [8, 8]


def test_columns_select(rows):
    batched = batches(rows, 8, columns=["rating", "id"])
    assert list(batched.element_spec) == ["rating", "id"]


@pytest.mark.parametrize("batch_size", [5, 8, 20, 64])
def test_shuffled_epochs_hold_every_row_once_in_another_order(rows, batch_size):
    epochs = _epochs(batches(rows, batch_size, shuffle=True, seed=3), 3)
    flat = [sum(epoch, ()) for epoch in epochs]
    assert [sorted(ids) for ids in flat] == [sorted(f"u{number}" for number in range(20))] * 3
    assert len(set(flat)) == 3


def test_shuffled_cells_stay_with_their_row(rows):
    for batch in batches(rows, 8, shuffle=True, seed=3):
        for name, rating, tags in zip(
            batch["id"].numpy(), batch["rating"].numpy(), batch["tags"].to_list(), strict=True
        ):
            number = int(name[1:])
            assert (rating, tags) == (number / 2, [b"x"] * (number % 3))


def test_a_seed_fixes_every_epoch_whatever_the_global_seed(rows):
    tf.random.set_seed(1)
    first = _epochs(batches(rows, 8, shuffle=True, seed=3), 3)
    tf.random.set_seed(2)
    second = _epochs(batches(rows, 8, shuffle=True, seed=3), 3)
    assert first == second
    assert first != _epochs(batches(rows, 8, shuffle=True, seed=4), 3)


def test_a_resumed_run_sees_what_it_would_have_seen(rows):
    whole = _epochs(batches(rows, 8, shuffle=True, seed=3), 4)
    resumed = batches(rows, 8, shuffle=True, seed=3, initial_epoch=2)
    assert _epochs(resumed, 2) == whole[2:]


def test_without_a_seed_runs_differ_unless_python_is_seeded(rows):
    first, second = (_ids(batches(rows, 64, shuffle=True)) for _ in range(2))
    assert first != second
    tf.keras.utils.set_random_seed(7)
    third = _ids(batches(rows, 64, shuffle=True))
    tf.keras.utils.set_random_seed(7)
    assert _ids(batches(rows, 64, shuffle=True)) == third


def test_the_number_of_batches_is_known(columns):
    assert batches(columns, 8).cardinality() == 3
    assert batches(columns, 8, shuffle=True).cardinality() == 3
    assert batches(columns, 8, shuffle=True, drop_remainder=True).cardinality() == 2
    assert batches(columns, 5, shuffle=True).cardinality() == 4
    sized = tf.data.Dataset.from_tensor_slices({"id": columns["id"]})
    assert batches(sized, 8, shuffle=True, cache=True).cardinality() == 3


def test_two_replicas_see_every_row_once_an_epoch(columns, mirrored_strategy):
    rows = {"id": columns["id"], "rating": columns["rating"]}
    batched = batches(rows, 8, shuffle=True, seed=3)
    alone = _epochs(batches(rows, 8, shuffle=True, seed=3), 2)
    distributed = mirrored_strategy.experimental_distribute_dataset(batched)
    for expected in alone:
        parts = [mirrored_strategy.experimental_local_results(batch["id"]) for batch in distributed]
        got = [
            tuple(np.concatenate([part.numpy() for part in batch]).astype(str)) for batch in parts
        ]
        assert got == expected


def test_fit_under_a_strategy_counts_the_batches(columns, mirrored_strategy):
    with mirrored_strategy.scope():
        inputs = {"rating": tf.keras.Input([], name="rating")}
        outputs = tf.keras.layers.Dense(1)(tf.expand_dims(inputs["rating"], -1))
        model = tf.keras.Model(inputs, outputs)
        model.compile(loss="mse")
    rows = {"rating": columns["rating"]}
    labelled = batches(rows, 8, shuffle=True, drop_remainder=True).map(
        lambda batch: (batch, batch["rating"])
    )
    history = model.fit(labelled, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert history.params["steps"] == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"batch_size": 0}, r"batch_size must be a whole number of at least 1\. Got: .*=0\. Give"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number of at least 1\. Got: .*=2\.5\."),
        ({"batch_size": True}, r"batch_size must be a whole number .* Got: batch_size=True\."),
        ({"initial_epoch": -1}, r"initial_epoch must be a whole number of at least 0\. Got: .*-1"),
        ({"seed": -1}, r"seed must be a whole number of at least 0\. Got: seed=-1\. Give 0 or"),
        (
            {"initial_epoch": 1, "shuffle": True},
            r"seed must be a number when initial_epoch is not 0\. Got: seed=None\. Give the seed",
        ),
    ],
)
def test_a_number_out_of_range(rows, arguments, text):
    arguments = {"batch_size": 8, **arguments}
    with pytest.raises(ValueError, match=text):
        batches(rows, arguments.pop("batch_size"), **arguments)


def test_a_window_for_rows_in_memory(columns):
    text = r"shuffle must be True or False for rows in memory\. Got: shuffle=9\. Rows in memory"
    with pytest.raises(ValueError, match=text):
        batches(columns, 8, shuffle=9)


def test_an_unknown_column(rows):
    with pytest.raises(ValueError, match=r"Unknown column 'ids'\. Known: .* Did you mean 'id'\?"):
        batches(rows, 8, columns=["ids"])
