"""Folds of rows, for predictions of rows that a model was not fitted to."""

from typing import Any

import numpy as np

from rankkit.core.arrays import single_values
from rankkit.core.columns import as_list
from rankkit.core.vocabulary import distinct_ids
from rankkit.utils.errors import check_integer, invalid


def assign_folds(
    num_rows: int,
    groups: Any,
    num_folds: int,
    seed: int,
    name: str = "groups",
    argument: str = "num_folds",
) -> np.ndarray:
    """The fold of each row, `(rows,)`; rows of one group, if there are `groups`, have the same."""
    check_integer(argument, num_folds, 2)
    check_integer("seed", seed, 0)
    indices, count, what = np.arange(num_rows), num_rows, "rows"
    if groups is not None:
        index = {each: i for i, each in enumerate(distinct_ids(groups, name=name))}
        cells = as_list(single_values(name, groups), name)
        if len(cells) != num_rows:
            expected = f"of the length {num_rows}, with the group of each row"
            raise invalid(f"the column {name}", f"{len(cells)} values", expected)
        indices = np.fromiter(map(index.__getitem__, cells), np.int64, num_rows)
        count, what = len(index), f"distinct values of {name}"
    if num_folds > count:
        expected = f"at most {count}, the number of {what}"
        raise invalid(argument, num_folds, expected, "Pass fewer folds, or more rows.")
    folds = np.random.default_rng(seed).permutation(count) % num_folds
    return folds[indices]
