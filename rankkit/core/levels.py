"""Rating levels of ordinal labels."""

import itertools
import math
from typing import Any

from rankkit.utils.errors import check_sequence, invalid, is_number, wrong_type


def as_levels(levels: Any) -> tuple[float, ...]:
    """Checks rating levels: at least two finite numbers in ascending order."""
    expected = "a sequence of numbers, such as (1, 2, 3, 4, 5)"
    found = check_sequence("levels", levels, expected)
    if not all(map(is_number, found)):
        raise wrong_type("levels", levels, expected)
    numbers = tuple(map(float, found))
    ascend = all(one < other for one, other in itertools.pairwise(numbers))
    if len(numbers) < 2 or not ascend or not all(map(math.isfinite, numbers)):
        raise invalid("levels", levels, "at least two finite numbers in ascending order")
    return numbers
