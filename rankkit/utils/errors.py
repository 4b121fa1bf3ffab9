"""Error messages (what was passed, what is expected, what to do) and checks of arguments.

A number or boolean that is not allowed is a `ValueError`, whatever its type; a collection or text
of the wrong type is a `TypeError`. Checks return plain Python values, as configs must hold.
"""

import difflib
import math
import os
import re
import reprlib
import sys
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

_ARGUMENT = re.compile(r"[\w.]+(\[.*\])*")
_MOST_NAMES = 30
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def invalid(name: str, value: Any, expected: str, fix: str = "") -> ValueError:
    """Returns a `ValueError` for an argument of the right type with a value that is not allowed."""
    return ValueError(_message(name, value, expected, fix))


def wrong_type(name: str, value: Any, expected: str, fix: str = "") -> TypeError:
    """Returns a `TypeError` for an argument of the wrong type."""
    return TypeError(_message(name, value, expected, fix))


def _message(name: str, value: Any, expected: str, fix: str) -> str:
    got = f"{name}=" if _ARGUMENT.fullmatch(name) else ""
    text = f"{subject(name)} must be {expected}. Got: {got}{_SHORT.repr(value)}."
    return f"{text} {fix}" if fix else text


def subject(name: str) -> str:
    """Returns a name that starts a sentence: capitalized, unless it is that of an argument."""
    return name if _ARGUMENT.fullmatch(name) else name[:1].upper() + name[1:]


def unknown(kind: str, name: Any, known: Iterable[str], listed: str = "Known") -> ValueError:
    """Returns a `ValueError` for an unknown name, such as a column, with the nearest known one."""
    known = list(map(str, known))
    names = f"{listed}: {_listed(known)}."
    return ValueError(f"Unknown {kind} {name!r}. {names}{_nearest(name, known)}")


def missing(kind: str, name: str, expected: Iterable[str], got: Iterable[str]) -> ValueError:
    """Returns a `ValueError` for a name that was not passed, with the nearest one that was."""
    got = list(map(str, got))
    return ValueError(
        f"Missing {kind} {name!r}. Expected: {_listed(expected)}. "
        f"Got: {_listed(got) or 'nothing'}.{_nearest(name, got)}"
    )


def unreadable(path: Any, what: str, error: Exception) -> ValueError:
    """Returns a `ValueError` for an existing file or folder that is not what it should be."""
    reason = str(error).rstrip(". \n")
    return ValueError(
        f"{str(path)!r} cannot be read as {what}: {reason}. Check the path, or create the "
        "file again."
    )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f", ... ({len(names):,} names)" if len(names) > _MOST_NAMES else ""
    return ", ".join(map(repr, names[:_MOST_NAMES])) + more


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(str(name), names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def is_integer(value: Any) -> bool:
    """Whether a value is a single integer; booleans are not."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_integer(name: str, value: Any, least: int = 1, fix: str = "") -> int:
    """Returns an integer of at least `least` as `int`; booleans are rejected."""
    if not is_integer(value) or value < least:
        raise invalid(name, value, f"an integer of at least {least}", fix)
    return int(value)


def is_number(value: Any) -> bool:
    """Whether a value is a single real number; booleans are not."""
    return is_integer(value) or isinstance(value, float | np.floating)


def check_number(
    name: str,
    value: Any,
    expected: str = "a finite number",
    fix: str = "",
    *,
    least: float = -sys.float_info.max,
    most: float = sys.float_info.max,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """Returns a number within bounds as `int` or `float`; NaN and booleans are rejected."""
    if is_number(value):  # a Python number, as NumPy would cast the bounds
        number = int(value) if isinstance(value, int | np.integer) else float(value)
        is_inside = (above is None or number > above) and (below is None or number < below)
        if is_inside and least <= number <= most:
            return number
    raise invalid(name, value, expected, fix)


def check_share(name: str, value: Any) -> float:
    """Returns a number in [0, 1) as `float`."""
    return float(check_number(name, value, "a number in [0, 1)", least=0, below=1))


def check_boolean(name: str, value: Any, expected: str = "True or False", fix: str = "") -> bool:
    """Returns a boolean of Python or NumPy as `bool`; numbers, text and `None` are rejected."""
    if not isinstance(value, bool | np.bool_):
        raise invalid(name, value, expected, fix)
    return bool(value)


def check_text(name: str, value: Any, expected: str = "a string") -> str:
    """Returns text; raises for any other type, such as bytes."""
    if not isinstance(value, str):
        raise wrong_type(name, value, expected)
    return value


def check_path(name: str, value: Any, expected: str = "a path") -> str:
    """Returns a path as `str`; raises for any other type, such as bytes."""
    if not isinstance(value, str | os.PathLike):
        raise wrong_type(name, value, expected)
    return os.fspath(value)


def check_choice(name: str, value: Any, known: Iterable[str]) -> str:
    """Returns one of the known words."""
    if not isinstance(value, str) or value not in known:
        raise unknown(name, value, known)
    return value


def check_known(kind: str, names: Iterable[Any], known: Collection[Any]) -> None:
    """Raises for the first name that is not among the known ones."""
    for name in names:
        if name not in known:
            raise unknown(kind, name, known)


def _is_ordered(values: Any) -> bool:
    """Whether values have an order: text, single values, sets and dicts have none."""
    is_several = isinstance(values, Iterable) and getattr(values, "shape", None) != ()
    unordered = str | bytes | bytearray | set | frozenset | Mapping
    return is_several and not isinstance(values, unordered)


def check_sequence(name: str, values: Any, expected: str, fix: str = "") -> list:
    """Returns ordered values as a list; text, single values, sets and dicts are rejected."""
    if not _is_ordered(values):
        raise wrong_type(name, values, expected, fix)
    return list(values)


def check_units(name: str, units: Any) -> tuple[int, ...]:
    """Returns the widths of dense layers, in order."""
    fix = "Put a single width in a list."
    widths = check_sequence(name, units, "a sequence of integers", fix)
    for width in widths:
        if not is_integer(width) or width < 1:
            raise invalid(name, units, "integers of at least 1")
    return tuple(map(int, widths))


def check_range(name: str, value: Any) -> tuple[float, float]:
    """Returns a range of finite numbers as `(lowest, highest)`."""
    pair = list(value) if _is_ordered(value) else []
    if len(pair) == 2 and all(map(is_number, pair)):
        low, high = map(float, pair)
        if -math.inf < low < high < math.inf:
            return low, high
    expected = "two finite numbers (lowest, highest) with lowest < highest"
    raise invalid(name, value, expected)


def as_names(name: str, values: Any, expected: str = "a list of names") -> list[Any]:
    """Returns names in any collection as a list; a single name, and bytes, are rejected."""
    if isinstance(values, str):
        raise wrong_type(name, values, expected, f"Write {name}=[{values!r}].")
    if isinstance(values, bytes | bytearray) or not isinstance(values, Iterable):
        raise wrong_type(name, values, expected)
    return list(values)


def check_mapping(name: str, value: Any, expected: str, fix: str = "") -> Mapping[Any, Any]:
    """Returns a mapping; raises for any other type."""
    if not isinstance(value, Mapping):
        raise wrong_type(name, value, expected, fix)
    return value
