"""`InteractionLog`: the histories of users before a time, from one sorted table of events."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import fill_numbers, single_values
from rankkit.core.columns import as_text
from rankkit.core.features import check_names
from rankkit.core.in_memory import Column, Windows
from rankkit.core.timestamps import as_seconds, check_no_missing
from rankkit.data.collect import collect
from rankkit.data.columns import (
    as_columns,
    check_column_names,
    check_keys,
    encode_events,
    factorize,
    select_names,
    table_names,
)
from rankkit.utils.errors import (
    as_names,
    check_boolean,
    check_choice,
    check_integer,
    check_known,
    check_mapping,
    check_text,
    invalid,
    wrong_type,
)
from rankkit.utils.graph_errors import marked
from rankkit.utils.seconds import SECONDS_LIMIT

_CHUNK = 2**20  # rows that are looked up at once
_MATCH_FIX = "Use the unit of the log in all rows, such as seconds since 1970."


class InteractionLog:
    """The events of all users, sorted by time, for the history of a user before any time.

    A history has events strictly before the time of its row. Events of the same time, such as the
    row's own event and the other purchases of an order, are not in it, so that it is what a service
    knows when it ranks. The log is sorted once; histories are ranges of it and copy no event.

    Times are numbers of one unit, all of them below 10^11, as seconds since 1970 are, or none; or
    dates and times, which are read as whole seconds since 1970 UTC: two events within a second have
    the same time. Events of a user at the same time keep the order of `rows`.

    Args:
        rows: The events in any order: a dict of arrays or lists, a DataFrame or an Arrow table, or
            a `tf.data.Dataset` of batches, such as of `rankkit.data.read_parquet`, of which the
            columns named here are read into memory.
        user: The column of the user. Defaults to `"user_id"`.
        timestamp: The column of the time. Defaults to `"timestamp"`.
        columns: The columns that histories have, such as the item and its rating, one value in each
            row. Defaults to `("item_id",)`.
        by: A column, such as the action, with a history of its own for each of its values. Defaults
            to `None`: one history.

    Raises:
        TypeError: If a user or a value of a column is missing, a time is neither a number nor a
            date, or a column has several values in a row.
        ValueError: If there are no rows, a column is unknown, columns differ in length, a value
            of a column is `""` or -1, which pads histories, or a time is missing, infinite or of
            another unit than the others.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [*"aaba"], "item_id": [*"xyxz"], "timestamp": [10, 30, 20, 20]}
        >>> log = rk.data.InteractionLog(rows)
        >>> log.add_histories(rows, gaps=True)["history_item_id"].tolist()
        [[], ['x', 'z'], [], ['x']]
        >>> now = {"user_id": ["a", "new"], "timestamp": [40, 40]}
        >>> log.add_histories(now, max_length=2)["history_item_id"].tolist()
        [['z', 'y'], []]
    """

    def __init__(
        self,
        rows: Any,
        *,
        user: str = "user_id",
        timestamp: str = "timestamp",
        columns: Iterable[str] = ("item_id",),
        by: str | None = None,
    ):
        known = _names(rows)
        for argument, name in {"user": user, "timestamp": timestamp, "by": by}.items():
            if name is not None or argument != "by":
                check_choice(argument, name, known)
        columns = select_names(as_names("columns", columns), known)
        self._user, self._timestamp = user, timestamp
        keys = [user] if by is None else [user, by]
        read = list(dict.fromkeys([*keys, timestamp, *columns]))
        if isinstance(rows, tf.data.Dataset):
            rows = collect(rows.map(lambda batch: {name: batch[name] for name in read}))
        table = as_columns(rows, read)
        check_keys(table, *keys)
        times = _times(f"rows[{timestamp!r}]", table[timestamp])
        self._is_in_seconds = bool(abs(times[0]) < SECONDS_LIMIT)
        self._check_unit(f"rows[{timestamp!r}]", times)
        groups, users = factorize(chain.from_iterable(_chunks(user, table[user])))
        self._users = {each: index for index, each in enumerate(users)}
        self._values = [""]
        if by is not None:
            indices, values = factorize(chain.from_iterable(_chunks(by, table[by])))
            self._values = [f"{value}_" for value in values]
            groups = groups.astype(np.int64) * len(values) + indices
        order = np.lexsort((times, groups))
        counts = np.bincount(groups, minlength=len(users) * len(self._values))
        self._longest = int(counts.max())
        # The last group is empty, for other users.
        self._ends = np.concatenate([[0], np.cumsum(counts), [len(order)]])
        self._events = Column(tf.constant(times[order]))
        self._times: np.ndarray = np.asarray(self._events.values)  # the same memory
        self._start_type = np.int32 if len(order) < 2**31 else np.int64
        self._columns = {
            name: encode_events(name, single_values(f"rows[{name!r}]", table[name])[order])
            for name in columns
        }

    def add_histories(
        self, rows: Any, *, max_length: int = 50, prefix: str = "history_", gaps: bool = False
    ) -> Any:
        """Adds the history of each row's user before the row's time, the oldest event first.

        The same call makes the columns of training rows and of queries to serve. Rows of users
        without earlier events have empty lists. The functions of `rankkit.data`, `fit` and `rank`
        take the columns like columns of lists.

        Args:
            rows: Rows with the user and the time, in any order: a dict of arrays or lists, a
                DataFrame or an Arrow table, or a `tf.data.Dataset` of batches, whose rows are
                looked up while they are read.
            max_length: Events of a history, at most; the last ones are kept. Defaults to `50`.
            prefix: Start of the names of the added columns. Defaults to `"history_"`.
            gaps: Whether to add the time from each event to that of the row, in the unit of the
                log, rounded down. Defaults to `False`.

        Returns:
            A dict of the columns of `rows` and, for each column of the log, a column of lists named
            `prefix + column`, or `prefix + value + "_" + column` for each value of `by`; with
            `gaps`, also such a column for `"gap"`. For a data set, a data set of batches, in which
            they are ragged tensors.

        Raises:
            TypeError: If a user is missing or not of the type of those in the log, or a time is
                neither a number nor a date.
            ValueError: If there are no rows, a column is missing or named like one that is added,
                or a time is missing, infinite or of another unit than the log.
            tf.errors.InvalidArgumentError: In place of these errors while a data set is read, for
                the values of its rows.
        """
        max_length = min(check_integer("max_length", max_length), self._longest)
        prefix, gaps = check_text("prefix", prefix), check_boolean("gaps", gaps)
        columns = self._columns
        if gaps and "gap" in columns:
            raise invalid("gaps", True, "False, as the log has a column 'gap'", "Rename it.")
        names = [*columns, *(["gap"] if gaps else [])]
        added = [f"{prefix}{value}{name}" for value in self._values for name in names]
        check_names(added, "column")
        known = _names(rows)
        check_known("column", [self._user, self._timestamp], known)
        check_column_names(known, {}, added, "InteractionLog.add_histories")

        def windows(found: list[Any]) -> dict[str, Windows]:
            origins, *parts = map(tf.convert_to_tensor, found)  # which the columns share
            made = []
            for start, length in zip(parts[::2], parts[1::2], strict=True):
                made += [Windows(each, start, length, max_length) for each in columns.values()]
                if gaps:
                    made.append(Windows(self._events, start, length, max_length, origins))
            return dict(zip(added, made, strict=True))

        if not isinstance(rows, tf.data.Dataset):
            table = as_columns(rows)
            found = self._find(table[self._user], table[self._timestamp], max_length)
            return {**table, **windows(found)}
        types = [self._times.dtype, *[self._start_type, np.int32] * len(self._values)]

        def find(users: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
            try:
                return self._find(users, times, max_length)
            except (TypeError, ValueError) as error:  # TensorFlow would hide it in one of its own
                raise marked(error) from None

        def add(batch: dict[str, Any]) -> dict[str, Any]:
            given = [batch[self._user], batch[self._timestamp]]
            found = tf.numpy_function(find, given, types)
            for each in found:
                each.set_shape(given[0].shape)
            order = tf.range(tf.shape(given[0])[0])
            lists = {name: column(order) for name, column in windows(found).items()}
            return {**batch, **lists}

        return rows.map(add, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def _find(self, users: np.ndarray, times: np.ndarray, max_length: int) -> list[np.ndarray]:
        """The times of rows, and the first event and the length of each of their histories."""
        where = f"rows[{self._timestamp!r}]"
        check_keys({self._user: users}, self._user)
        times = _times(where, times)
        self._check_unit(where, times)
        before = times
        if self._times.dtype.kind == "f":
            before = times = times.astype(np.float64)
        elif times.dtype.kind == "f":  # an integer is below a number if it is below its ceiling
            before, times = np.ceil(times).astype(np.int64), np.floor(times).astype(np.int64)
        found = [times]
        for _ in self._values:
            found += [np.empty(len(times), self._start_type), np.empty(len(times), np.int32)]
        other, start = len(self._users), 0
        for cells in _chunks(self._user, users, like=next(iter(self._users))):
            rows = slice(start, start + len(cells))
            start += len(cells)
            index = np.array([self._users.get(cell, other) for cell in cells], np.int64)
            for position in range(len(self._values)):
                group = np.minimum(index * len(self._values) + position, len(self._ends) - 2)
                first, last = self._ends[group], self._ends[group + 1]
                end = _first_not_before(self._times, first, last, before[rows])
                found[1 + 2 * position][rows] = np.maximum(first, end - max_length)
                found[2 + 2 * position][rows] = np.minimum(end - first, max_length)
        return found

    def _check_unit(self, where: str, times: np.ndarray) -> None:
        """Raises if a time is in seconds and the log is not, or the other way round."""
        wrong = times[(abs(times) < SECONDS_LIMIT) != self._is_in_seconds]
        if len(wrong):
            unit = "below" if self._is_in_seconds else "of at least"
            expected = f"{unit} 10^11, as the first one of the log"
            raise invalid(f"each time in {where}", wrong[0].item(), expected, _MATCH_FIX)


def _names(rows: Any) -> list[str]:
    """The names of the columns of a table, a dict or a data set of batches."""
    if isinstance(rows, tf.data.Dataset):
        spec = check_mapping("rows", rows.element_spec, "a data set of dicts")
        if any(each.shape.rank == 0 for each in spec.values()):
            fix = "Call rows.batch(1024) first."
            raise invalid("rows", rows, "a data set of batches, not of single rows", fix)
        return list(spec)
    names = table_names(rows)
    expected = "a dict of arrays, a DataFrame or a tf.data.Dataset"
    return list(check_mapping("rows", rows, expected)) if names is None else names


def _times(where: str, column: np.ndarray) -> np.ndarray:
    """Returns times as `int64`, or as `float64` if one has a fraction."""
    times = as_seconds(where, single_values(where, column))
    times = fill_numbers(where, times)
    check_no_missing(where, times)
    if times.dtype.kind not in "iuf":
        fix = "Convert it, such as with pandas.to_datetime."
        raise wrong_type(where, times[:1].tolist(), "numbers or datetime64", fix)
    if len(large := times[abs(times) >= 2**62]):
        raise invalid(f"each time in {where}", large[0].item(), "below 2**62", _MATCH_FIX)
    is_whole = times.dtype.kind != "f" or bool((times == np.floor(times)).all())
    return times.astype(np.int64 if is_whole else np.float64, copy=False)


def _chunks(name: str, ids: np.ndarray, *, like: Any = None) -> Iterator[list[Any]]:
    """Yields ids as Python values, a part at a time; raises if they are not of the type of one."""
    for start in range(0, len(ids), _CHUNK):
        cells = as_text(name, ids[start : start + _CHUNK]).tolist()
        if like is not None and isinstance(cells[0], str) != isinstance(like, str):
            expected = f"of the type of {like!r} in the log"
            raise wrong_type(f"each {name}", cells[0], expected, "Convert one of them.")
        yield cells


def _first_not_before(
    times: np.ndarray, first: np.ndarray, last: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """In each range of sorted times, the first position that is not before a time, or the end."""
    low, high = first, last
    while (is_open := low < high).any():
        middle = (low + high) // 2
        is_before = is_open & (times[np.minimum(middle, len(times) - 1)] < before)
        low = np.where(is_before, middle + 1, low)
        high = np.where(is_open & ~is_before, middle, high)
    return low
