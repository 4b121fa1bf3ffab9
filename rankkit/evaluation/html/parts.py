"""Numbers of rows, queries and items of each part of the data, and what the parts share."""

import dataclasses
from typing import Any

import numpy as np

from rankkit.core.timestamps import as_times
from rankkit.evaluation.scored_rows import LabeledRows

# Seconds that are a date of 1973 to 5138; other numbers are shown as they are.
_SECONDS = 10**8, 10**11


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the data.

    Attributes:
        name: What it is for, such as "Test".
        labels: Its labels, `(rows,)`.
        distinct: Column of ids to the number of distinct ones.
        new: Column of ids to the number of rows whose id is not in the training rows.
        repeated: The number of rows whose query and item are both in one training row, or `None`.
        relevant: Share of rows with a relevant label.
        times: First and last time in words, or `None`.
        late: Share of rows later than all training rows, or `None`.
    """

    name: str
    labels: np.ndarray
    distinct: dict[str, int]
    new: dict[str, int]
    repeated: int | None
    relevant: float
    times: tuple[str, str] | None
    late: float | None


def parts_of(
    rows: LabeledRows,
    train: LabeledRows,
    validation: LabeledRows | None,
    query: str | None,
    item: str | None,
    timestamp: str | None,
    relevant: float,
) -> list[Part]:
    """The parts of the data, the training rows first."""
    named = {"Training": train, "Validation": validation, "Test": rows}
    ids = [name for name in (query, item) if name is not None]
    # The index of each training id.
    known = {
        name: {
            each: index for index, each in enumerate(dict.fromkeys(train.columns[name].tolist()))
        }
        for name in ids
    }
    pairs = _pairs(train, known)
    end = None
    if timestamp is not None and timestamp in train.columns:
        end = as_times(train.columns[timestamp]).max()
    parts = []
    for name, part in named.items():
        if part is None:
            continue
        cells = {each: part.columns[each].tolist() for each in ids}
        times = None
        if timestamp is not None and timestamp in part.columns:
            times = as_times(part.columns[timestamp])
        parts.append(
            Part(
                name,
                part.labels,
                {each: len(set(values)) for each, values in cells.items()},
                {each: sum(v not in known[each] for v in values) for each, values in cells.items()},
                int(np.isin(_pairs(part, known), pairs).sum()) if len(ids) > 1 else None,
                float(np.mean(part.labels >= relevant)),
                None if times is None else (_time(times.min()), _time(times.max())),
                None if times is None or end is None else float(np.mean(times > end)),
            )
        )
    return parts


def _pairs(rows: LabeledRows, known: dict[str, dict[Any, int]]) -> np.ndarray:
    """A number for each pair of training ids, NaN for rows of other ids, `(rows,)`."""
    numbers = np.zeros(len(rows.labels))
    for name, indices in known.items():
        cells = rows.columns[name].tolist()
        found = np.array([indices.get(each, np.nan) for each in cells])
        numbers = numbers * len(indices) + found
    return numbers


def _time(time: Any) -> str:
    if isinstance(time, np.datetime64):
        return str(time.astype("datetime64[D]"))
    if _SECONDS[0] < abs(time) < _SECONDS[1]:
        return str(np.datetime64(int(time), "s").astype("datetime64[D]"))
    return f"{time:g}"
