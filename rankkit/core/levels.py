"""Rating levels of ordinal labels."""

import itertools
import math
from typing import Any

from rankkit.core.columns import NUMBER
from rankkit.utils.errors import invalid, wrong_type


def as_levels(levels: Any) -> tuple[float, ...]:
    """Gives the ratings that there are as numbers.

    Raises:
        ValueError: If there are fewer than two, one is not finite, or they do not ascend.
        TypeError: If they are no numbers.
    """
    if isinstance(levels, str) or not hasattr(levels, "__iter__"):
        raise wrong_type("levels", levels, "a sequence of numbers, such as (1, 2, 3, 4, 5)")
    found = tuple(levels)
    for step in found:
        if isinstance(step, bool) or not isinstance(step, NUMBER):
            raise wrong_type("levels", levels, "a sequence of numbers, such as (1, 2, 3, 4, 5)")
    numbers = tuple(map(float, found))
    ascend = all(one < other for one, other in itertools.pairwise(numbers))
    if len(numbers) < 2 or not ascend or not all(map(math.isfinite, numbers)):
        raise invalid("levels", levels, "at least two numbers that ascend")
    return numbers
