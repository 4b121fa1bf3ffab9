"""Python source text of values and calls, laid out as a formatter would."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_WIDTH = 99


class Code(str):
    """Text that is Python code already, and no string literal."""


def text(value: str) -> str:
    """Returns a string literal, in double quotes if that needs no further escapes."""
    literal = repr(value)
    is_plain = literal[0] == "'" and '"' not in literal
    return f'"{literal[1:-1]}"' if is_plain else literal


def literal(value: Any) -> str:
    """Returns the source of a value on one line."""
    if isinstance(value, Code):
        return str(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, Mapping | list | tuple):
        opening, closing = _brackets(value)
        return f"{opening}{', '.join(_members(value))}{closing}"
    return repr(value) if value == value else 'float("nan")'


def any_of(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them: a, b or c."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def assign(name: str, value: Any) -> list[str]:
    """Returns the lines of an assignment."""
    return _wrapped(f"{name} = ", value, end="")


def call(
    start: str,
    arguments: Sequence[Any],
    keywords: Mapping[str, Any],
    more: Sequence[Any] = (),
) -> list[str]:
    """Returns the lines of a call, with an argument on each if one line is too short.

    Args:
        start: What comes before the arguments, up to the opening parenthesis.
        arguments: Positional arguments, values or `Code`.
        keywords: Keyword arguments.
        more: `Code` to end with, such as `**settings`.
    """
    given = [*(("", each) for each in arguments)]
    given += [(f"{name}=", value) for name, value in keywords.items()]
    given += [("", each) for each in more]
    line = f"{start}{', '.join(name + literal(value) for name, value in given)})"
    if len(line) <= MAX_WIDTH:
        return [line]
    inside = [line for name, value in given for line in _wrapped(f"    {name}", value)]
    return [start, *inside, ")"]


def _members(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{literal(name)}: {literal(each)}" for name, each in value.items()]
    return list(map(literal, value))


def _brackets(value: Any) -> str:
    return "{}" if isinstance(value, Mapping) else "()" if isinstance(value, tuple) else "[]"


def _wrapped(start: str, value: Any, end: str = ",") -> list[str]:
    """Returns a value after `start`, on several lines if it is a collection that needs them."""
    line = f"{start}{literal(value)}{end}"
    if len(line) <= MAX_WIDTH or not isinstance(value, Mapping | list | tuple):
        return [line]
    indent = " " * (len(start) - len(start.lstrip()))
    opening, closing = _brackets(value)
    if isinstance(value, Mapping):
        pairs = [(f"{literal(name)}: ", each) for name, each in value.items()]
    else:
        pairs = [("", each) for each in value]
    inside = [line for name, each in pairs for line in _wrapped(f"{indent}    {name}", each)]
    if all(isinstance(each, str) for _, each in pairs):
        inside = _fill(_members(value), f"{indent}    ")
    return [f"{start}{opening}", *inside, f"{indent}{closing}{end}"]


def _fill(items: list[str], indent: str) -> list[str]:
    """Returns lines of as many items as fit."""
    lines = [indent]
    for item in items:
        if len(lines[-1]) + len(item) + 1 > MAX_WIDTH and lines[-1] != indent:
            lines.append(indent)
        lines[-1] += f"{item}, "
    return [line.rstrip() for line in lines]
