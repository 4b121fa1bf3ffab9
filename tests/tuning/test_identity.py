import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.plan import describe, describe_code, describe_rows

ROWS = {"user_id": np.array(["a", "b", "ab"], object), "rating": np.array([1.0, 2.0, 3.0])}


@pytest.mark.parametrize(
    "other",
    [
        {"rating": np.array([1.0, 2.0, 3.5])},
        {"rating": np.array([1.0, 2.0, 3.0], np.float32)},
        {"rating": np.array([2.0, 1.0, 3.0])},
        {"user_id": np.array(["aa", "b", "b"], object)},
        {"user_id": np.array([["a"], ["b"], ["a", "b"]], object)},
        {"more": np.array([1, 2, 3])},
    ],
)
def test_other_rows_are_told_apart(other):
    assert describe_rows(ROWS) == describe_rows({k: v.copy() for k, v in reversed(ROWS.items())})
    assert describe_rows({**ROWS, **other}) != describe_rows(ROWS)


def one(x):
    return x + 1


def another(x):
    return x + 2


def multiply(x, by):
    return x * by


def multiplying(by):
    return lambda x: x * by


FACTOR = 1.0


def scaled(x):
    return x * FACTOR


def nested(x):
    return scaled(x)


class Holder:
    def __init__(self, value: Any):
        self.value = value


class Base:
    value = 7


class Derived(Base):
    pass


def test_other_code_is_told_apart():
    same = describe_code("a", one, Holder(3), functools.partial(one, 1))
    assert describe_code("a", one, Holder(3), functools.partial(one, 1)) == same
    for other in (another, Holder, lambda x: x + 1):
        assert describe_code(other) != describe_code(one)
    assert describe_code(Holder(3)) != describe_code(Holder(4))
    by = functools.partial
    assert describe_code(by(multiply, by=2)) == describe_code(by(multiply, by=2))
    assert describe_code(by(multiply, by=2)) != describe_code(by(multiply, by=3))
    assert describe_code(multiplying(2)) == describe_code(multiplying(2))
    assert describe_code(multiplying(2)) != describe_code(multiplying(3))
    assert describe_code(multiplying([1.0])) != describe_code(multiplying([0.0]))


def test_what_functions_and_classes_stand_on_counts(monkeypatch):
    before = describe_code(scaled, nested)
    monkeypatch.setitem(globals(), "FACTOR", 0.0)
    assert describe_code(scaled) != before
    assert describe_code(scaled, nested) != before
    assert describe_code(Derived) != describe_code(type("Derived", (), {}))
    assert any("value = 7" in str(part) for part in describe(Derived))


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ({(1, 2): 3}, {(1, 2): 4}),
        ({1: 2, "a": 3}, {1: 2, "a": 4}),
        ({"a", "b"}, {"a", "c"}),
        (np.arange(2000), np.arange(2000) + (np.arange(2000) == 1000)),
        (tf.range(2000), tf.range(2000) + 1),
        (b"a", b"b"),
    ],
)
def test_values_of_all_kinds_are_told_apart(value, other):
    assert describe_code(Holder(value)) == describe_code(Holder(value))
    assert describe_code(Holder(value)) != describe_code(Holder(other))


def test_what_has_an_address_or_holds_itself_is_described_alike():
    assert describe_code(np.random.default_rng(1)) == describe_code(np.random.default_rng(1))
    holders: list = [Holder(None), Holder(None)]
    for holder in holders:
        holder.value = holder
    assert describe_code(holders[0]) == describe_code(holders[1])


def test_moving_a_library_class_to_another_module_changes_nothing(monkeypatch):
    def description():
        layer = rk.layers.Attribute(["a"], ["x"], rk.layers.IdEmbedding(["x"], 4), name="genre")
        hypermodel = rk.tuning.RankingHyperModel({"item": layer}, label="rating")
        return describe_code(type(hypermodel), vars(hypermodel))

    before = description()
    for moved in (rk.tuning.RankingHyperModel, rk.layers.IdEmbedding, rk.layers.Attribute):
        monkeypatch.setattr(moved, "__module__", "rankkit.another.place")
    assert description() == before
