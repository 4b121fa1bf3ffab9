"""A recipe: what `rankkit train` reads, learns from and does, as an editable TOML file."""

import dataclasses
import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rankkit.cli.table import is_movielens, is_parquet
from rankkit.utils.errors import invalid, unknown, unreadable

FILE = "ranker.toml"
MAX_SEED = 2**31 - 1
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


@dataclasses.dataclass(frozen=True)
class Data:
    """The file, its special columns, and what the label is."""

    path: str
    user: str
    item: str
    label: str
    time: str = ""
    title: str = ""
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    task: Literal["ratings", "clicks"] = "ratings"
    relevant: float = 4.0


@dataclasses.dataclass(frozen=True)
class Split:
    """How test and validation rows are chosen."""

    by: Literal["random", "time"] = "random"
    test_fraction: float = 0.1
    validation_fraction: float = 0.1


@dataclasses.dataclass(frozen=True)
class Model:
    """The network and how it is trained; a Bayesian model needs no optimizer settings."""

    kind: Literal["bayesian", "deepfm", "tower"] = "bayesian"
    who_rated_what: bool = True  # whether a Bayesian model reads it
    embedding_dim: int = 17
    tower_width: int = 256
    l2: float = 0.003
    learning_rate: float = 0.002
    batch_size: int = 1024
    max_epochs: int = 40
    seed: int = 42


@dataclasses.dataclass(frozen=True)
class Column:
    """What a column is, and the separator of tags."""

    kind: Literal["category", "number", "tags", "text"] = "category"
    separator: str = ""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that the program of `rankkit train` depends on."""

    data: Data
    user_features: dict[str, Column]
    item_features: dict[str, Column]
    split: Split
    model: Model


_TABLES = {"data": Data, "split": Split, "model": Model}
_FEATURES = ("user", "item")
_POSITIVE = ("embedding_dim", "tower_width", "batch_size", "max_epochs", "learning_rate")
_FRACTIONS = ("test_fraction", "validation_fraction")


def write_toml(recipe: Recipe, left_out: Mapping[str, str]) -> str:
    """Returns a recipe as TOML, with a comment for each column that is left out."""
    lines = ["# Edit this file and pass it to `rankkit train --recipe`."]
    for name in _TABLES:
        table = getattr(recipe, name)
        lines += ["", f"[{name}]"]
        for field in dataclasses.fields(table):
            value = getattr(table, field.name)
            if value != "":
                lines.append(f"{field.name} = {toml_value(value)}")
    for owner in _FEATURES:
        lines += ["", f"[features.{owner}]"]
        for name, column in getattr(recipe, f"{owner}_features").items():
            given = {key: value for key, value in dataclasses.asdict(column).items() if value}
            pairs = ", ".join(f"{key} = {toml_value(value)}" for key, value in given.items())
            value = f"{{ {pairs} }}" if len(given) > 1 else toml_value(column.kind)
            lines.append(f"{_key(name)} = {value}")
    if left_out:
        lines += [
            "",
            '# Columns that are left out. A line such as `price = "number"` above uses one.',
        ]
        for name, reason in left_out.items():
            lines.append(f"# {_key(name)}: {''.join(map(_escape, reason))}")
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def toml_value(value: Any) -> str:
    """Returns a value of a recipe as TOML."""
    if not isinstance(value, str):
        return str(value).lower()
    return '"' + "".join(map(_escape, value)) + '"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe, and raises an error that names the key for anything unexpected."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise unreadable(path, "a recipe in TOML", error) from None
    for name, table in tables.items():
        if name not in (*_TABLES, "features"):
            raise unknown(f"table in {path}:", name, [*_TABLES, "features"])
        if not isinstance(table, dict):
            raise invalid(f"the key '{name}' in {path}", table, f"a table: [{name}]")
    parts = {
        name: _read_table(kind, name, tables.get(name, {}), path) for name, kind in _TABLES.items()
    }
    features = tables.get("features", {})
    for owner, table in features.items():
        if owner not in _FEATURES:
            raise unknown(f"table of [features] in {path}:", owner, _FEATURES)
        if not isinstance(table, dict):
            where = f"features.{owner}"
            raise invalid(f"the key '{where}' in {path}", table, f"a table: [{where}]")
    for owner in _FEATURES:
        parts[f"{owner}_features"] = {
            name: _read_column(value, f"features.{owner}.{_key(name)}", path)
            for name, value in features.get(owner, {}).items()
        }
    return _checked(Recipe(**parts), path)


def _read_column(value: Any, where: str, path: Path) -> Column:
    table = value if isinstance(value, dict) else {"kind": value}
    return _read_table(Column, where, table, path)


def _read_table(kind: type, where: str, table: dict[str, Any], path: Path) -> Any:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    types = typing.get_type_hints(kind)
    for name, value in table.items():
        if name not in fields:
            raise unknown(f"key of [{where}] in {path}:", name, fields)
        subject, expected = f"the key '{where}.{name}' in {path}", types[name]
        if typing.get_origin(expected) is Literal:
            if value not in (allowed := typing.get_args(expected)):
                raise invalid(subject, value, f"one of {', '.join(map(repr, allowed))}")
        elif type(value) not in ((int, float) if expected is float else (expected,)):
            words = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
            raise invalid(subject, value, words[expected])
        if name in _POSITIVE and not value > 0:
            raise invalid(subject, value, "above 0")
        if name in _FRACTIONS and not 0 < value < 1:
            raise invalid(subject, value, "between 0 and 1")
        if name in ("l2", "seed") and not 0 <= value < MAX_SEED:
            raise invalid(subject, value, "at least 0")
    for name, field in fields.items():
        if name not in table and field.default is dataclasses.MISSING:
            raise ValueError(f"{path} must have the key '{where}.{name}'. Add it, or train again.")
    return kind(**table)


def _checked(recipe: Recipe, path: Path) -> Recipe:
    data = recipe.data
    both = [*recipe.user_features, *recipe.item_features]
    used = [*both, *filter(None, (data.user, data.item, data.label, data.time))]
    for name in used:
        if used.count(name) > 1:
            count = used.count(name)
            raise invalid(f"column {name!r} in {path}", count, "used once, in one of the tables")
    if recipe.split.by == "time" and not data.time:
        raise ValueError(f"{path} must have the key 'data.time', as 'split.by' is \"time\".")
    if recipe.model.kind == "bayesian" and data.task == "clicks":
        subject = f"the key 'model.kind' in {path}"
        raise invalid(subject, "bayesian", "'deepfm' or 'tower' for clicks")
    has_lists = is_movielens(data.path) or is_parquet(data.path)
    for name, column in (recipe.user_features | recipe.item_features).items():
        if column.kind == "tags" and not column.separator and not has_lists:
            raise ValueError(
                f"Tags of a CSV file need a separator: write {_key(name)} = "
                f'{{ kind = "tags", separator = ";" }} in {path}, with that of the file.'
            )
        if column.separator and column.kind != "tags":
            subject = f"the separator of column {name!r} in {path}"
            raise invalid(subject, column.separator, "left out, unless the kind is 'tags'")
    return recipe
