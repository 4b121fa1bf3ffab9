import keras_tuner as kt
import pytest

from rankkit.tuning.space import HYPERPARAMETERS, Space


def values(space, seeds=200):
    """Hyperparameter to its sampled values."""
    hp = kt.HyperParameters()
    space.declare(hp)
    return {h.name: {h.random_sample(seed) for seed in range(seeds)} for h in hp.space}


def test_tower_width_and_learning_rate_are_always_searched():
    sampled = values(Space())
    assert sampled["tower_width"] == {32, 64, 128, 256, 512}
    assert 1e-3 <= min(sampled["learning_rate"]) < 0.01 < 0.1 < max(sampled["learning_rate"]) <= 1.0
    assert Space().searched == ["tower_width", "learning_rate"]


def test_ranges_lists_and_fixed_values():
    space = Space({"tower_width": (8, 64), "learning_rate": 0.1, "batch_size": [10, 30]})
    expected = {"tower_width": {8, 16, 32, 64}, "learning_rate": {0.1}, "batch_size": {10, 30}}
    assert values(space) == expected
    assert space.searched == ["tower_width", "batch_size"]


def test_every_hyperparameter_has_a_default_range():
    space = Space(list(HYPERPARAMETERS))
    sampled = values(space)
    assert set(sampled) == set(HYPERPARAMETERS)
    assert sampled["optimizer"] == {"adagrad", "adam"}
    assert sampled["tower_depth"] == {1, 2, 3}
    assert all(0.0 <= rate <= 0.5 for rate in sampled["dropout_rate"])
    assert all(1e-6 <= l2 <= 1e-2 for l2 in sampled["l2"])


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("adam", (1e-4, 1e-1)),
        ("adagrad", (1e-3, 1.0)),
        ("RMSprop", (1e-4, 1.0)),
        (["adam", "adagrad"], (1e-4, 1.0)),
    ],
)
def test_default_learning_rates_depend_on_the_optimizer(optimizer, expected):
    assert Space({"optimizer": optimizer}).domains["learning_rate"] == expected


def test_order_of_the_dict_does_not_matter():
    one = Space({"l2": None, "embedding_dim": (4, 8)})
    other = Space({"embedding_dim": (4, 8), "l2": None})
    assert list(one.domains) == list(other.domains)


@pytest.mark.parametrize(
    ("space", "error", "words"),
    [
        ({"tower_widht": (1, 2)}, ValueError, "'tower_widht'.*mean 'tower_width'"),
        ("l2", TypeError, r"Write space=\['l2'\]"),
        ({"tower_width": (512, 32)}, ValueError, "low < high"),
        ({"learning_rate": (0.1, 0.1)}, ValueError, r"\{'learning_rate': 0.1\}"),
        ({"tower_width": (32, 40)}, ValueError, r"Use \(32, 64\), or a list.*\[32, 40\]"),
        ({"tower_width": (32, 500)}, ValueError, r"Use \(32, 256\), or a list"),
        ({"tower_width": []}, ValueError, "at least one value"),
        ({"tower_width": [32, 32]}, ValueError, "without duplicates"),
        ({"tower_width": (32, 64, 128)}, ValueError, r"a range \(low, high\)"),
        ({"tower_width": (0, 32)}, ValueError, "at least 1"),
        ({"tower_width": 32.0}, ValueError, "an integer"),
        ({"tower_width": "wide"}, TypeError, "a number"),
        ({"tower_width": True}, TypeError, "a number"),
        (5, TypeError, "space must be a dict or a list of names"),
        ({"learning_rate": (0.0, 1.0)}, ValueError, "at least"),
        ({"learning_rate": (0.1, float("inf"))}, ValueError, "finite"),
        ({"dropout_rate": (0.0, 1.0)}, ValueError, "below 1"),
        ({"l2": (0.0, 0.1)}, ValueError, "on a logarithmic scale"),
        ({"l2": -1e-3}, ValueError, "at least 0"),
        ({"optimizer": "adma"}, ValueError, "'adam'"),
        ({"optimizer": "lossscaleoptimizer"}, ValueError, "'adam'"),
        ({"optimizer": ["adam", "Adam"]}, ValueError, "without duplicates"),
        ({"tower_width": [[8]]}, TypeError, "a number"),
        ({"optimizer": ("adam", "sgd")}, ValueError, r"\['adam', 'sgd'\]"),
        ({"optimizer": 1.0}, TypeError, "name of a Keras optimizer"),
    ],
)  # fmt: skip
def test_unknown_settings_and_invalid_ranges_raise(space, error, words):
    with pytest.raises(error, match=words):
        Space(space)


def test_grid_is_the_largest_that_fits():
    grid = Space().on_grid(20)
    assert grid.domains["tower_width"] == [32, 64, 256, 512]
    assert grid.domains["learning_rate"] == [0.001, 0.00562, 0.0316, 0.178, 1.0]
    assert grid.size == 20


def test_grid_keeps_lists_and_fixed_values():
    others = {"learning_rate": [0.1, 0.2, 0.3], "l2": 0.0}
    space = Space({"tower_width": (32, 64), **others})
    assert space.on_grid(100).domains == {"tower_width": [32, 64], **others}
    with pytest.raises(ValueError, match="at least 6 for this grid"):
        space.on_grid(5)


def test_grid_of_a_narrow_range_has_distinct_values():
    space = Space({"tower_width": 8, "learning_rate": (0.10001, 0.10004)})
    first, *rest, last = rates = space.on_grid(4).domains["learning_rate"]
    assert (first, len(rest), last) == (0.10001, 2, 0.10004)
    assert sorted(set(rates)) == rates
