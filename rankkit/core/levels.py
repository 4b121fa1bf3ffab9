"""Rating levels of ordinal labels."""

import itertools
import math
from typing import Any

from rankkit.core.columns import NUMBER
from rankkit.utils.errors import invalid, wrong_type


def as_levels(levels: Any) -> tuple[float, ...]:
    """Checks rating levels: at least two finite numbers in ascending order."""
    is_sequence = hasattr(levels, "__iter__") and not isinstance(levels, str)
    found: tuple[Any, ...] = tuple(levels) if is_sequence else (levels,)
    are_numbers = all(isinstance(each, NUMBER) and not isinstance(each, bool) for each in found)
    if not is_sequence or not are_numbers:
        raise wrong_type("levels", levels, "a sequence of numbers, such as (1, 2, 3, 4, 5)")
    numbers = tuple(map(float, found))
    ascend = all(one < other for one, other in itertools.pairwise(numbers))
    if len(numbers) < 2 or not ascend or not all(map(math.isfinite, numbers)):
        raise invalid("levels", levels, "at least two finite numbers in ascending order")
    return numbers
