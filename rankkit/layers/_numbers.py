"""Numbers that a layer learns from, checked."""

from typing import Any

import numpy as np

from rankkit._columns import as_array
from rankkit._errors import invalid, wrong_type


def finite_numbers(name: str, values: Any, *, missing: bool = False) -> np.ndarray:
    """Gives finite numbers as an array of `int64` or `float64`.

    Args:
        name: What the caller calls them, for errors.
        values: Numbers.
        missing: Whether NaN is left out; it is an error otherwise. Defaults to `False`.

    Raises:
        ValueError: If there is none, or one is not finite.
        TypeError: If they are no numbers.
    """
    array = as_array(values)
    if array.dtype.kind not in "biuf" or array.ndim != 1:
        raise wrong_type(name, array.dtype.name, "a list of numbers", "Convert it first.")
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if missing:
        array = array[~np.isnan(array)]
    if not np.isfinite(array).all():
        raise invalid(
            name, array[~np.isfinite(array)][0].item(), "finite", "Drop or mend those values."
        )
    if not len(array):
        raise invalid(name, [], "at least one number")
    return array
