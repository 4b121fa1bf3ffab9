"""Checks and lookups of vocabularies."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from itertools import chain
from typing import Any

import numpy as np

from rankkit.core.arrays import as_array, column_name, decode, is_utf8, single_values
from rankkit.core.timestamps import is_missing
from rankkit.utils.errors import check_integer, invalid, is_integer, subject, wrong_type

CAST = "Cast the ids to int or to str, such as with .astype(str)."
MISSING_ID = "Drop the rows without an id, or replace it by an id such as 'unknown' or -1."


def check_vocabulary(name: str, ids: Iterable[Any]) -> list[str] | list[int]:
    """Checks ids, all strings or all integers, and returns them as a list in the order given."""
    if hasattr(ids, "to_numpy") or hasattr(ids, "numpy"):
        ids = as_array(ids)
    several = isinstance(ids, Iterable) and not isinstance(ids, str | bytes | Set | Mapping)
    if not several or getattr(ids, "ndim", 1) != 1:
        raise wrong_type(name, ids, "a list of ids", "Put the ids in a list, such as sorted(ids).")
    values = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if not values:
        raise invalid(name, values, "a list of at least one id", "Was the column empty?")
    values = plain_ids(name, values)
    (_check_text if isinstance(values[0], str) else _check_range)(name, values)
    _check_unique(name, values)
    return values


def plain_ids(name: str, values: list[Any]) -> list[Any]:
    """Returns ids as Python strings or Python integers; raises unless all are of one kind."""
    if set(map(type, values)) in ({str}, {int}):
        return values
    if any(map(is_missing, values)):
        missing = next(filter(is_missing, values))
        raise wrong_type(f"each id in {name}", missing, "str or int", MISSING_ID)
    plain: list[Any] = []
    for value in values:
        if isinstance(value, str):
            plain.append(str(value))
        elif is_integer(value):
            plain.append(int(value))
        else:
            is_bytes = isinstance(value, bytes)
            fix = "Decode the ids to str." if is_bytes else "Cast the ids to str or int."
            raise wrong_type(f"each id in {name}", value, "str or int", fix)
        if type(plain[-1]) is not type(plain[0]):
            got = [plain[0], plain[-1]]
            raise wrong_type(f"ids in {name}", got, "all str or all int", "Convert all to str.")
    return plain


def _check_text(name: str, values: list[str]) -> None:
    # One search in the joined ids is many times faster than one search per id.
    joined = "\0".join(values)
    if joined.count("\0") == len(values) - 1 and "\n" not in joined and is_utf8(joined):
        return
    bad = next(v for v in values if "\n" in v or "\0" in v or not is_utf8(v))
    expected = "valid UTF-8 without newline and NUL"
    raise invalid(f"each id in {name}", bad, expected, "Replace that character in the ids.")


def _check_range(name: str, values: list[int]) -> None:
    for value in (min(values), max(values)):
        if not -(2**63) <= value < 2**63:
            where, expected = f"each id in {name}", "an integer of at most 64 bits"
            raise invalid(where, value, expected, "Cast the ids to str.")


def _check_unique(name: str, values: list[Any]) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[Any] = set()
    twice = next(v for v in values if v in seen or seen.add(v))
    raise ValueError(f"{name} contains {twice!r} more than once. Remove duplicates.")


def distinct_ids(
    column: Any, min_count: int = 1, *, name: str | None = None, lists: bool = False
) -> list[str] | list[int]:
    """The sorted distinct ids of a column, or of its `lists`, with a count of min_count or more."""
    check_integer("min_count", min_count)
    name = name or column_name(column)
    values = as_array(column)
    if not values.ndim or (values.ndim > 1 and not lists):
        single_values(name, column)  # raises
    if not values.size:
        return check_vocabulary(name, [])
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise wrong_type(f"each id in {name}", math.nan, "str or int", MISSING_ID)
    if values.dtype.kind not in "OSUiu":
        raise TypeError(
            f"Ids in {name} must be str or int. Got: an array of dtype {values.dtype}. Use "
            ".astype(int) or .astype(str)."
        )
    if values.dtype.kind == "S":
        return distinct_ids(values.astype(object), min_count, name=name, lists=lists)
    if values.dtype.kind != "O":
        distinct, counts = np.unique(values, return_counts=True)
        check_frequent(name, int(counts.max()), min_count)
        return check_vocabulary(name, distinct[counts >= min_count])
    counted = _counted(name, values, lists)
    plain_ids(name, list(counted))  # or else they have no order
    check_frequent(name, max(counted.values(), default=min_count), min_count)
    return check_vocabulary(name, sorted(v for v, count in counted.items() if count >= min_count))


def check_frequent(name: str, most: int, min_count: int) -> None:
    """Checks that `min_count` leaves at least one id."""
    if most < min_count:
        expected = f"at most {most}, the count of the most frequent id of {name}"
        raise invalid("min_count", min_count, expected, "The vocabulary would be empty.")


def _counted(name: str, values: np.ndarray, lists: bool) -> dict[Any, int]:
    try:
        counted = Counter(values.tolist())
    except TypeError:  # lists have no hash
        counted = {(): 0}
    if any(isinstance(value, tuple) for value in counted):
        if not lists:
            single_values(name, values)  # raises
        for value in values:
            if not isinstance(value, list | tuple | np.ndarray):
                fix = "[]" if is_missing(value) else f"[{value!r}]"
                raise TypeError(
                    f"{subject(name)} must have a list in every row, or in none. Got: {value!r} "
                    f"among lists. Write {fix}."
                )
        members = np.fromiter(chain.from_iterable(values), object)
        counted = _counted(name, members, lists=False)
    if not any(isinstance(value, bytes) for value in counted):
        return counted
    decoded = Counter()
    for value, count in counted.items():
        decoded[decode(name, value) if isinstance(value, bytes) else value] += count
    return decoded
