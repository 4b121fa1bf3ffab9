"""A first recipe, guessed from the names, types and values of columns."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.cli.literals import any_of
from rankkit.cli.recipe import Column, Data, Model, Recipe, Split
from rankkit.cli.table import (
    find_delimiter,
    is_movielens,
    is_parquet,
    read_decimal_commas,
    read_table,
    without_missing,
)
from rankkit.utils.errors import invalid

_LAYERS = {
    "category": "IdEmbedding",
    "number": "BucketEmbedding",
    "tags": "TagsEmbedding",
    "text": "TextEmbedding",
}
_SEPARATORS = "|;,"
_MAX_BAYESIAN_ROWS = 1_000_000  # which take minutes; the time is proportional to the rows
_MAX_BAYESIAN_IDS = 150_000  # users and items, whose samples take 3 GB
_MAX_LISTED_IDS = 20_000  # beyond, lists of who rated what take ten times as long as ids alone
_MIN_KNOWN = 0.5  # of the latest rows, with a user of earlier rows
_LATEST = 0.1
_MIN_ROWS = 20
_MIN_REPEATED = 10  # ids with several rows, to tell what belongs to an id
_SHARE_CONSTANT = 0.99  # of these ids, with one value in all of their rows
_MAX_HOLES = 0.5  # of the rows; a value that is missing more often is missing for a reason
_CODE_NAME = re.compile(r"(^|_|\b)(id|code|zip|year_month)s?$", re.IGNORECASE)
_TITLE_NAME = re.compile(r"title|name", re.IGNORECASE)
_NUMBER = re.compile(r"\s*[-+]?[\d.]+\s*$")
_TIME = re.compile(r"\s*\d+(\.0*)?\s*$|\d{4}-\d\d-\d\d")
_TITLE_SHARE = 0.5  # of the items, with a title of their own
_NO_OWNER = (
    "its values differ between the rows of a user, and between those of an item: perhaps not known "
    "before the label"
)


@dataclasses.dataclass(frozen=True)
class Guess:
    """A recipe and why it is as it is.

    Attributes:
        recipe: What to train.
        lines: Column, what it is read as, layer and reason.
        left_out: Column to the reason for which it is no feature.
        warnings: What is suspicious, one sentence each.
    """

    recipe: Recipe
    lines: list[tuple[str, str, str, str]]
    left_out: dict[str, str]
    warnings: list[str]


def guess(path: str, user: str, item: str, label: str, time: str = "", **model: Any) -> Guess:
    """Reads a file and guesses a recipe.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If a column does not exist, or has values that no ranker can be trained on.
    """
    special = {"user": user, "item": item, "label": label} | ({"time": time} if time else {})
    names = list(special.values())
    for name in names:
        if names.count(name) > 1:
            raise invalid("each of --user, --item, --label and --time", name, "another column")
    delimiter = "," if is_movielens(path) or is_parquet(path) else find_delimiter(path)
    table = read_table(path, delimiter, [user, item], names)
    decimal = "."
    if delimiter != ",":
        table, is_any = read_decimal_commas(table, [user, item])
        decimal = "," if is_any else "."
    num_rows, table = table.num_rows, without_missing(table, names)
    if table.num_rows < _MIN_ROWS:
        num_left_out = num_rows - table.num_rows
        without = f", and {num_left_out:,} without {any_of(names)}" * (num_left_out > 0)
        raise ValueError(
            f"{path} must have at least {_MIN_ROWS} rows, to train on and to test on. "
            f"Got: {table.num_rows}{without}."
        )
    codes = {name: _Codes(table[name]) for name in table.column_names}
    labels = _check_labels(label, table[label])
    for option in ("user", "item"):
        if codes[special[option]].num_values == 1:
            raise ValueError(
                f"Column {special[option]!r} (--{option}) must have several ids. Got: the same one "
                f"in each row. A ranker learns from several {option}s; pass another column."
            )
    if time:
        _check_times(time, table[time], is_parquet(path))
    is_click = set(np.unique(labels).tolist()) <= {0.0, 1.0}
    lines = [
        (user, "user", _LAYERS["category"], f"{codes[user].num_values:,} users"),
        (item, "item", _LAYERS["category"], f"{codes[item].num_values:,} items"),
        (label, "label", "", _describe_labels(labels, is_click)),
    ]
    if time:
        lines.append((time, "time", "", "later rows are the test rows"))
    features: dict[str, dict[str, Column]] = {"user": {}, "item": {}}
    left_out: dict[str, str] = {}
    title = ""
    for name in table.column_names:
        if name in names:
            continue
        owner = _owner(codes[name], codes[user], codes[item])
        kind, reason = _kind(name, table[name], codes[name], is_parquet(path))
        if kind is not None and _depends(codes[name], codes[label]):
            kind, reason = None, "made from the label, and not known when items are ranked"
        elif kind is not None and owner is None:
            kind, reason = None, _NO_OWNER
        if kind is not None and owner is not None:
            if owner == "item" and not title and _is_title(name, kind, codes[name], codes[item]):
                title = name
            same = [each for each in features[owner] if _is_same(codes[name], codes[each])]
            if same:
                kind, reason = None, f"the same information as {same[0]!r}"
            elif kind.kind == "category" and len(codes[name]) > len(codes[special[owner]]) / 2:
                kind, reason = None, f"a different value for almost each {owner}"
        if kind is None or owner is None:
            left_out[name] = reason
        else:
            features[owner][name] = kind
            lines.append((name, f"{kind.kind} of the {owner}", _LAYERS[kind.kind], reason))
    lines += [
        (name, "title of the item" if name == title else "left out", "", reason)
        for name, reason in left_out.items()
    ]
    task, relevant = ("clicks", 1.0) if is_click else ("ratings", _relevant(labels))
    data = Data(path, user, item, label, time, title, delimiter, decimal, task, relevant)
    num_ids = codes[user].num_values + codes[item].num_values
    is_large = len(labels) > _MAX_BAYESIAN_ROWS or num_ids > _MAX_BAYESIAN_IDS
    kind = "deepfm" if is_click or is_large else "bayesian"
    if kind == "bayesian":
        has_lists, reason = _can_have_lists(num_ids, codes[user], table[time] if time else None)
        read_as, layer = ("who rated what", "TagsEmbedding") if has_lists else ("left out", "")
        lines.append((f"{user}, {item}", read_as, layer, reason))
        model = {"who_rated_what": has_lists, **model}
    batch_size = 2 ** round(np.clip(np.log2(len(labels) / 100), 6, 10))
    settings = Model(**{"kind": kind, "batch_size": int(batch_size), **model})
    recipe = Recipe(
        data, features["user"], features["item"], Split(by="time" if time else "random"), settings
    )
    warnings = _warnings(table, codes, recipe)
    return Guess(recipe, lines, left_out, warnings)


class _Codes:
    """The values of a column as integers, -1 for missing ones."""

    def __init__(self, column: Any):
        import pyarrow as pa

        if pa.types.is_nested(column.type):
            column = pa.chunked_array(
                [[None if cell is None else repr(cell) for cell in column.to_pylist()]]
            )
        encoded = column.combine_chunks().dictionary_encode()
        self.codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        self.num_values = len(encoded.dictionary)
        self.num_missing = column.null_count

    def __len__(self) -> int:
        return self.num_values

    def pairs(self, other: "_Codes", rows: Any = slice(None)) -> np.ndarray:
        """Returns the distinct pairs of values in some rows, as codes of the other column."""
        both = np.unique(other.codes[rows] * (self.num_values + 1) + self.codes[rows] + 1)
        return both // (self.num_values + 1)


def _can_have_lists(num_ids: int, user: _Codes, times: Any) -> tuple[bool, str]:
    """Whether lists of who rated what are features, and why: new users have none, and lose."""
    if num_ids > _MAX_LISTED_IDS:
        return False, f"who rated what: takes long for {num_ids:,} users and items"
    if times is not None:
        order = np.argsort(times.to_numpy(), kind="stable")
        earlier, latest = np.split(user.codes[order], [round(len(order) * (1 - _LATEST))])
        is_new = ~np.isin(latest, earlier)
        if 1 - is_new.mean() < _MIN_KNOWN:
            return False, f"who rated what: {is_new.mean():.0%} of the latest rows are of new users"
    return True, "lists of the items of each user, and of the users of each item"


def _owner(column: _Codes, user: _Codes, item: _Codes) -> str | None:
    """Returns whom a column describes: all rows of most of these ids have the same value.

    Missing cells are not looked at, unless they are most: these may mean "not returned".
    """
    has_holes = len(column) > 1 and column.num_missing <= _MAX_HOLES * len(column.codes)
    is_seen = column.codes >= 0 if has_holes else np.full(len(column.codes), True)
    for name, ids in (("item", item), ("user", user)):
        num_rows = np.bincount(ids.codes[is_seen], minlength=len(ids))
        num_pairs = np.bincount(column.pairs(ids, is_seen), minlength=len(ids))
        several = num_rows > 1
        if several.sum() >= _MIN_REPEATED and (num_pairs[several] == 1).mean() >= _SHARE_CONSTANT:
            return name
    return None


def _depends(column: _Codes, label: _Codes) -> bool:
    """Whether each label has one value of the column, or each value of the column one label.

    A missing cell has no value, or it is one, such as in a column of "liked" and empty cells.
    """
    for rows in (np.full(len(column.codes), True), column.codes >= 0):
        num_values, num_labels = (np.unique(each.codes[rows]).size for each in (column, label))
        is_frequent = rows.sum() >= _MIN_REPEATED * max(num_values, num_labels)
        num_pairs = len(column.pairs(label, rows))
        if (
            min(num_values, num_labels) > 1
            and is_frequent
            and num_pairs in (num_values, num_labels)
        ):
            return True
    return False


def _is_same(one: _Codes, other: _Codes) -> bool:
    """Whether each of two columns is known from the other, in the rows that have both."""
    rows = (one.codes >= 0) & (other.codes >= 0)
    return len(one) == len(other) == len(one.pairs(other, rows))


def _kind(name: str, column: Any, codes: _Codes, is_parquet: bool) -> tuple[Column | None, str]:
    """Returns how to read a column, `None` if it is no feature, and the reason."""
    import pyarrow as pa

    types, kind = pa.types, column.type
    num_values, num_rows = codes.num_values, len(column) - codes.num_missing
    if types.is_null(kind) or num_values == 0:
        return None, "empty"
    if num_values == 1 and not codes.num_missing:
        return None, "the same value in each row"
    if types.is_list(kind) or types.is_large_list(kind):
        if types.is_string(kind.value_type) or types.is_integer(kind.value_type):
            return Column("tags"), "lists"
        return None, f"of the type {kind}"
    if types.is_boolean(kind) and is_parquet and codes.num_missing:
        return None, f"{codes.num_missing:,} missing values of the type {kind}"
    is_number = types.is_integer(kind) or types.is_floating(kind)
    if types.is_boolean(kind) or (types.is_integer(kind) and _CODE_NAME.search(name)):
        return Column("category"), f"{num_values:,} values"
    if is_number or types.is_temporal(kind):
        if types.is_time(kind) or types.is_duration(kind):
            return None, f"of the type {kind}"
        return Column("number"), f"{num_values:,} values"
    if types.is_binary(kind):
        return None, "not text in UTF-8"
    if not (types.is_string(kind) or types.is_large_string(kind)):
        return None, f"of the type {kind}"
    return _text_kind(column, num_values, num_rows)


def _text_kind(column: Any, num_values: int, num_rows: int) -> tuple[Column | None, str]:
    texts = [text for text in column.unique().to_pylist() if text]
    for separator in _SEPARATORS:
        parts = [text.split(separator) for text in texts]
        tags = {tag for tag in (each.strip() for part in parts for each in part) if tag}
        share = np.mean([len(part) > 1 for part in parts])
        if share > 0.3 and len(tags) <= len(texts) and max(map(len, tags)) <= 40:
            return Column("tags", separator), f"{len(tags):,} tags separated by {separator!r}"
    num_words = np.mean([len(text.split()) for text in texts])
    if num_words >= 2 and num_values > 100:
        return Column("text"), f"{num_words:.1f} words on average"
    if num_values == num_rows:
        return None, "a different value in each row"
    return Column("category"), f"{num_values:,} values"


def _is_title(name: str, kind: Column, codes: _Codes, item: _Codes) -> bool:
    is_text = kind.kind in ("text", "category")
    return is_text and bool(_TITLE_NAME.search(name)) and len(codes) > len(item) * _TITLE_SHARE


def _check_labels(name: str, column: Any) -> np.ndarray:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        shown = (
            ", ".join(map(repr, _unlike(column, _NUMBER)[:3])) if is_text else f"the type {kind}"
        )
        raise ValueError(
            f"Label column {name!r} must have numbers, such as ratings, or 1 or true for a click "
            f"and 0 or false for none. Got: {shown}. Replace them by numbers, or pass another "
            "column as --label."
        )
    labels = column.to_numpy().astype(float)
    if num_infinite := int(np.isinf(labels).sum()):
        raise ValueError(
            f"Label column {name!r} must have finite numbers. Got: {num_infinite:,} infinite ones "
            f"out of {len(labels):,}. Remove these rows."
        )
    if len(np.unique(labels)) == 1:
        raise ValueError(
            f"Label column {name!r} must have different values. Got: {labels[0]:g} in each of the "
            f"{len(labels):,} rows. If the rows are clicks or purchases alone, add rows with "
            "the label 0 for items that were shown, or sample them in Python with "
            "rankkit.data.with_negatives (docs/howto/clicks.md)."
        )
    return labels


def _unlike(column: Any, pattern: re.Pattern[str]) -> list[Any]:
    """Returns distinct values of a column, those that do not match if there are any."""
    found = [each for each in column.unique().to_pylist() if each is not None]
    return [each for each in found if not pattern.match(str(each))] or found


def _check_times(name: str, column: Any, is_in_parquet: bool) -> None:
    import pyarrow as pa

    kind, types = column.type, pa.types
    is_time = types.is_integer(kind) or types.is_timestamp(kind) or types.is_date(kind)
    if types.is_floating(kind) and not is_in_parquet:  # of pandas, where others are missing
        is_time = not (column.to_numpy() % 1).any()
    if not is_time:
        found = _unlike(column, _TIME)
        raise ValueError(
            f"Column {name!r} (--time) must have integers, such as seconds since 1970, or times "
            f"such as 2026-11-30 17:05:00. Got: {found[0] if found else 'no value'!r}. Rewrite "
            "the column, or leave out --time for a random split."
        )
    if len(column.unique()) == 1:
        raise ValueError(
            f"Column {name!r} (--time) must have different times. Got: {column[0].as_py()} in each "
            "row. Leave out --time for a random split."
        )


def _relevant(labels: np.ndarray) -> float:
    """Returns the lowest label that counts as liked: 4 for ratings from 1 to 5."""
    low, high = float(labels.min()), float(labels.max())
    return round(low + 0.75 * (high - low), 3)


def _describe_labels(labels: np.ndarray, is_click: bool) -> str:
    if is_click:
        return f"clicks: 1 in {labels.mean():.1%} of the rows"
    return f"ratings from {labels.min():g} to {labels.max():g}, {labels.mean():.2f} on average"


def _warnings(table: Any, codes: dict[str, _Codes], recipe: Recipe) -> list[str]:
    data = recipe.data
    found = []
    num_rows, num_pairs = table.num_rows, len(codes[data.user].pairs(codes[data.item]))
    if num_pairs < num_rows:
        found.append(
            f"{num_rows - num_pairs:,} rows repeat a pair of user and item; each of them counts."
        )
    return found


def as_table(lines: Sequence[tuple[str, str, str, str]]) -> str:
    """Returns the lines of a guess with a header, in aligned columns."""
    rows = [("column", "read as", "layer", "reason"), *lines]
    rows = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
