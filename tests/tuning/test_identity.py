import functools

import numpy as np
import pytest

from rankkit.tuning.identity import describe_code, describe_rows

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


class Holder:
    def __init__(self, value):
        self.value = value


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
