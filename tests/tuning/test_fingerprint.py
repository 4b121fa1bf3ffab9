"""Fingerprints of rows and code."""

import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.tuning.plan import describe, hash_code, describe_rows

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
def test_other_rows_have_another_description(other):
    assert describe_rows(ROWS) == describe_rows({k: v.copy() for k, v in reversed(ROWS.items())})
    assert describe_rows({**ROWS, **other}) != describe_rows(ROWS)


def add_one(x):
    return x + 1


def add_two(x):
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


def test_referenced_values_and_base_classes_are_included(monkeypatch):
    before = hash_code(scaled, nested)
    monkeypatch.setitem(globals(), "FACTOR", 0.0)
    assert hash_code(scaled) != before
    assert hash_code(scaled, nested) != before
    assert hash_code(Derived) != hash_code(type("Derived", (), {}))
    assert any("value = 7" in str(part) for part in describe(Derived))


@pytest.mark.parametrize(
    ("make", "value", "other"),
    [
        (Holder, 3, 4),
        (Holder, {(1, 2): 3}, {(1, 2): 4}),
        (Holder, {1: 2, "a": 3}, {1: 2, "a": 4}),
        (Holder, {"a", "b"}, {"a", "c"}),
        (Holder, np.arange(2000), np.arange(2000) + (np.arange(2000) == 1000)),
        (Holder, tf.range(2000), tf.range(2000) + 1),
        (Holder, b"a", b"b"),
        (Holder, add_one, add_two),
        (Holder, add_one, lambda x: x + 1),
        (Holder, Base, Holder),
        (multiplying, 2, 3),
        (multiplying, [1.0], [0.0]),
        (lambda by: functools.partial(multiply, by=by), 2, 3),
    ],
)
def test_other_values_and_code_have_another_hash(make, value, other):
    assert hash_code("a", make(value)) == hash_code("a", make(value))
    assert hash_code("a", make(value)) != hash_code("a", make(other))


def test_addresses_and_cycles_do_not_change_the_hash():
    assert hash_code(np.random.default_rng(1)) == hash_code(np.random.default_rng(1))
    holders: list = [Holder(None), Holder(None)]
    for holder in holders:
        holder.value = holder
    assert hash_code(holders[0]) == hash_code(holders[1])


def test_moving_a_rankkit_class_to_another_module_keeps_the_hash(monkeypatch):
    def description():
        layer = rk.layers.Attribute(["a"], ["x"], rk.layers.IdEmbedding(["x"], 4), name="genre")
        hypermodel = rk.tuning.RankingHyperModel({"item": layer}, label="rating")
        return hash_code(type(hypermodel), vars(hypermodel))

    before = description()
    for moved in (rk.tuning.RankingHyperModel, rk.layers.IdEmbedding, rk.layers.Attribute):
        monkeypatch.setattr(moved, "__module__", "rankkit.another.place")
    assert description() == before
