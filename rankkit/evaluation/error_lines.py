"""Errors of rows, and of those whose ids had few or many training rows."""

import itertools
from collections import Counter
from typing import Any

import numpy as np


def error_line(rows: str, errors: np.ndarray, biases: np.ndarray, **where: Any) -> dict[str, Any]:
    """Sums the errors of some rows up.

    Args:
        rows: Which rows they are.
        errors: Prediction minus label of each, `(rows,)`.
        biases: The same of the baseline.
        **where: The column of ids and the counts that the rows were chosen by.

    Returns:
        A line of a `Diagnosis`.
    """
    where = {"column": None, "low": None, "high": None, **where}
    line: dict[str, Any] = {"rows": rows, **where, "num_rows": len(errors)}
    for name, values in (("", errors), ("biases_", biases)):
        line[f"{name}rmse"] = float(np.sqrt(np.mean(values**2)))
        line[f"{name}mean_error"] = float(values.mean())
    return line


def error_lines_by_count(
    column: str, ids: np.ndarray, train_ids: np.ndarray, errors: np.ndarray, biases: np.ndarray
) -> list[dict[str, Any]]:
    """Sums errors up by how many training rows the id of a row has.

    Args:
        column: Name of the column of ids.
        ids: The id of each row, `(rows,)`.
        train_ids: The id of each training row.
        errors: Prediction minus label of each row, `(rows,)`.
        biases: The same of the baseline.

    Returns:
        A line for the ids without training rows, for those with 1 or 2, 3 to 9, 10 to 29, 30 to
        99 and so on, as far as there are rows of them.
    """
    known = Counter(train_ids.tolist())
    counts = np.array([known[each] for each in ids.tolist()])
    starts = [0, 1, 3]
    while starts[-1] <= counts.max():
        starts.append(10 * starts[-2])
    lines = []
    for low, after in itertools.pairwise(starts):
        chosen = (counts >= low) & (counts < after)
        if chosen.any():
            span = f"{low:,} to {after - 1:,}" if low else "no"
            rows = f"{column} with {span} training rows"
            where = {"column": column, "low": low, "high": after - 1}
            lines.append(error_line(rows, errors[chosen], biases[chosen], **where))
    return lines
