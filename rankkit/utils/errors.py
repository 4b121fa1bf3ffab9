"""Error messages: what was passed, what is expected, what to do."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def invalid(name: str, value: Any, expected: str, fix: str = "") -> ValueError:
    """Returns a `ValueError` for an argument of the right type with a value that is not allowed."""
    return ValueError(_message(name, value, expected, fix))


def wrong_type(name: str, value: Any, expected: str, fix: str = "") -> TypeError:
    """Returns a `TypeError` for an argument of the wrong type."""
    return TypeError(_message(name, value, expected, fix))


def _message(name: str, value: Any, expected: str, fix: str) -> str:
    text = f"{name} must be {expected}. Got: {name}={_SHORT.repr(value)}."
    return f"{text} {fix}" if fix else text


def unknown(kind: str, name: str, known: Iterable[str], listed: str = "Known") -> ValueError:
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
    return ", ".join(map(repr, names))


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(str(name), names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_integer(name: str, value: Any, least: int = 1, fix: str = "") -> None:
    """Raises unless a value is an integer of at least `least`; booleans are rejected."""
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < least:
        raise invalid(name, value, f"an integer of at least {least}", fix)
