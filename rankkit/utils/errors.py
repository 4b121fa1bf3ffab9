"""Error messages: what was passed, what is expected, what to do."""

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

import numpy as np

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def _message(name: str, value: Any, expected: str, fix: str) -> str:
    text = f"{name} must be {expected}. Got: {name}={_SHORT.repr(value)}."
    return f"{text} {fix}" if fix else text


def invalid(name: str, value: Any, expected: str, fix: str = "") -> ValueError:
    """A `ValueError` for an argument of the right kind with an impossible value."""
    return ValueError(_message(name, value, expected, fix))


def wrong_type(name: str, value: Any, expected: str, fix: str = "") -> TypeError:
    """A `TypeError` for an argument of the wrong kind."""
    return TypeError(_message(name, value, expected, fix))


def unknown(kind: str, name: str, known: Iterable[str]) -> ValueError:
    """A `ValueError` for a name that is not among the known ones, with the nearest of them.

    Args:
        kind: What is named, such as `"column"` or `"feature"`.
        name: The name that came.
        known: The names there are.
    """
    known = list(map(str, known))
    return ValueError(f"Unknown {kind} {name!r}. Known: {_names(known)}.{_nearest(name, known)}")


def missing(kind: str, name: str, expected: Iterable[str], got: Iterable[str]) -> ValueError:
    """A `ValueError` for a name that should have come, with the nearest of those that did.

    Args:
        kind: What is missing, such as `"feature"` or `"label"`.
        name: The name that did not come.
        expected: All the names that should come.
        got: The names that came.
    """
    got = list(map(str, got))
    return ValueError(
        f"Missing {kind} {name!r}. Expected: {_names(expected)}. Got: {_names(got) or 'nothing'}."
        + _nearest(name, got)
    )


def unreadable(path: Any, what: str, error: Exception) -> ValueError:
    """A `ValueError` for a file or folder that is there and is not what it should be.

    Args:
        path: Its path.
        what: What it should be, such as `"a .keras file"`.
        error: What was found on reading it.
    """
    reason = str(error).rstrip(". \n")
    return ValueError(f"{str(path)!r} cannot be read as {what}: {reason}. Write it again.")


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(str(name), names, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_integer(name: str, value: Any, least: int = 1, fix: str = "") -> None:
    """Refuses what is no integer of at least `least`.

    Raises:
        ValueError: If the value of the argument `name` is none.
    """
    if not isinstance(value, int | np.integer) or value < least:
        raise invalid(name, value, f"an integer of at least {least}", fix)
