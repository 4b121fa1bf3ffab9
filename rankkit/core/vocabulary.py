"""Checks and lookups of vocabularies."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np

from rankkit.core.columns import as_array, decode, is_missing, is_utf8
from rankkit.utils.errors import check_integer, invalid, wrong_type

CAST = "Cast the ids to int or to str, such as with .astype(str)."


def check_vocabulary(name: str, ids: Iterable[Any]) -> list[str] | list[int]:
    """Checks ids, all strings or all integers, and returns them as a list in the order given."""
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise wrong_type(name, ids, "a list of ids", "Put the ids in a list.")
    values = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
    if not values:
        raise invalid(name, values, "a list of at least one id", "Was the column empty?")
    kinds = set(map(type, values))
    if kinds == {str}:
        _check_text(name, values)
    elif kinds == {int}:
        _check_range(name, values)
    else:
        return check_vocabulary(name, _plain(name, values))
    _check_unique(name, values)
    return values


def _plain(name: str, values: list[Any]) -> list[Any]:
    plain: list[Any] = []
    for value in values:
        if isinstance(value, str):
            plain.append(str(value))
        elif isinstance(value, int | np.integer) and not isinstance(value, bool):
            plain.append(int(value))
        else:
            raise wrong_type(name, value, "ids that are str or int", _cast(value))
        if type(plain[-1]) is not type(plain[0]):
            got = [plain[0], plain[-1]]
            raise wrong_type(name, got, "all str or all int", "Convert all of them to str.")
    return plain


def _cast(value: Any) -> str:
    if is_missing(value):
        return "Drop the rows without an id, or give them an id of their own."
    if isinstance(value, bytes):
        return "Decode the ids to str."
    return "Cast the ids to str or int."


def _check_text(name: str, values: list[str]) -> None:
    # One search in the joined ids is many times faster than one search per id.
    joined = "\0".join(values)
    if joined.count("\0") == len(values) - 1 and "\n" not in joined and is_utf8(joined):
        return
    bad = next(v for v in values if "\n" in v or "\0" in v or not is_utf8(v))
    expected = "ids of valid UTF-8 without newline and NUL"
    raise invalid(name, bad, expected, "Replace that character in the ids.")


def _check_range(name: str, values: list[int]) -> None:
    for value in (min(values), max(values)):
        if not -(2**63) <= value < 2**63:
            raise invalid(name, value, "ids of at most 64 bits", "Cast the ids to str.")


def _check_unique(name: str, values: list[Any]) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[Any] = set()
    twice = next(v for v in values if v in seen or seen.add(v))
    raise ValueError(f"{name} contains {twice!r} more than once. Remove duplicates.")


def distinct_ids(column: Any, min_count: int = 1) -> list[str] | list[int]:
    """The sorted distinct ids of a column, or of its lists, with a count of min_count or more."""
    check_integer("min_count", min_count)
    if isinstance(column, str | bytes):
        raise wrong_type("column", column, "an array or list of ids", "Pass the whole column.")
    values = as_array(column)
    if not values.size:
        return check_vocabulary("column", [])
    if values.dtype.kind in "fcbmM":
        raise TypeError(
            f"column has dtype {values.dtype}; ids must be str or int. Use .astype(int) or "
            ".astype(str)."
        )
    if values.dtype.kind == "S":
        return distinct_ids(values.astype(object), min_count)
    if values.dtype.kind != "O":
        distinct, counts = np.unique(values, return_counts=True)
        check_frequent("column", int(counts.max()), min_count)
        return check_vocabulary("column", distinct[counts >= min_count])
    counted = _counted(values)
    check_frequent("column", max(counted.values(), default=min_count), min_count)
    kept = [value for value, count in counted.items() if count >= min_count]
    # Values of several types have no order; check_vocabulary raises.
    comparable = len(set(map(type, counted))) == 1
    return check_vocabulary("column", sorted(kept) if comparable else list(counted))


def check_frequent(name: str, most: int, min_count: int) -> None:
    """Checks that `min_count` leaves at least one id."""
    if most < min_count:
        expected = f"at most {most}, the count of the most frequent id of {name}"
        raise invalid("min_count", min_count, expected, "The vocabulary would be empty.")


def _counted(values: np.ndarray) -> dict[Any, int]:
    try:
        counted = Counter(values.tolist())
    except TypeError:  # lists have no hash
        for value in values:
            if not isinstance(value, list | tuple | np.ndarray):
                fix = "[]" if is_missing(value) else f"[{value!r}]"
                raise TypeError(
                    f"column mixes lists and single values: {value!r} is not a list. Write {fix}."
                ) from None
        counted = Counter(chain.from_iterable(values))
    if not any(isinstance(value, bytes) for value in counted):
        return counted
    decoded = Counter()
    for value, count in counted.items():
        decoded[decode("column", value) if isinstance(value, bytes) else value] += count
    return decoded
