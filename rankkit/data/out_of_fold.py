"""Predictions of training rows by models that have not seen them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rankkit.core.arrays import as_array
from rankkit.core.folds import assign_folds
from rankkit.data.columns import as_columns, is_data_frame
from rankkit.data.splits import split_rows
from rankkit.utils.errors import check_choice, invalid, wrong_type

Predict = Callable[[Any], Any]


def out_of_fold(
    fit: Callable[[Any], Predict],
    rows: Any,
    *,
    group: str | None = None,
    num_folds: int = 5,
    seed: int = 42,
) -> tuple[np.ndarray, Predict]:
    """Predicts each training row by a model that was fitted to the other folds.

    The predictions can be a feature of a second model, such as the score of boosted trees in a
    network. Predictions by a model that was fitted to the same rows would be closer to their labels
    than those of new rows, and the second model would trust them too much.

    Args:
        fit: Function of training rows, of the type of `rows`, that returns a function of rows to
            predictions: `(rows,)`, or `(rows, n)` for several numbers in each row. It is called
            once for each fold, and once with all rows.
        rows: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        group: Name of a column of ids, such as that of the query. Rows of a group are in one fold,
            in their original order. Defaults to `None`: rows are assigned to folds one by one.
        num_folds: Number of folds, at least 2. Defaults to `5`.
        seed: Seed of the folds. Defaults to `42`.

    Returns:
        The predictions of the training rows, in their order, and `fit(rows)`, which predicts new
        rows.

    Raises:
        TypeError: If `fit` or its result is not a function, or a prediction is not a number.
        ValueError: If there are fewer groups than folds, the predictions of a fold are not as many
            as its rows, one is NaN, or they are leaf indices. Leaf 3 of one model is another leaf
            than leaf 3 of the next: fit trees to some of the rows, and use their leaves for others.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> def fit(rows):  # or: model = lightgbm.train(...)
        ...     mean = np.mean(rows["label"])
        ...     return lambda rows: np.full(len(rows["label"]), mean)
        >>> rows = {"query_id": [1, 1, 2, 2], "label": [0.0, 2.0, 5.0, 5.0]}
        >>> rows["score"], predict = rk.data.out_of_fold(fit, rows, group="query_id", num_folds=2)
        >>> rows["score"].tolist(), predict({"label": [0.0]}).tolist()
        ([5.0, 5.0, 1.0, 1.0], [3.0])
    """
    expected = "a function of rows that returns a function of rows to predictions"
    if not callable(fit):
        raise wrong_type("fit", fit, expected)
    columns = as_columns(rows)
    if group is not None:
        check_choice("group", group, list(columns))
    groups = None if group is None else columns[group]
    num_rows = len(next(iter(columns.values())))
    name = f"column {group!r}"
    folds = assign_folds(num_rows, groups, num_folds, seed, name)
    parts: list[np.ndarray] = []
    for fold in range(num_folds):
        train, rest = split_rows(rows, folds == fold)
        predict = fit(train)
        if not callable(predict):
            fix = "Return a function, such as lambda rows: model.predict(rows['features'])."
            raise wrong_type("the result of fit", predict, "a function of rows", fix)
        parts.append(_checked(as_array(predict(rest)), int((folds == fold).sum())))
        if parts[-1].shape[1:] != parts[0].shape[1:]:
            shapes = f"{parts[0].shape[1:]} and {parts[-1].shape[1:]}"
            expected = "of one shape in each row, whatever the fold"
            raise invalid("the predictions of fit", shapes, expected)
    joined = np.concatenate(parts)
    predictions = np.empty_like(joined)
    predictions[np.argsort(folds, kind="stable")] = joined
    # An Arrow table is split into dicts: `fit` gets one kind of rows.
    return predictions, fit(rows if is_data_frame(rows) else columns)


def _checked(predictions: np.ndarray, num_rows: int) -> np.ndarray:
    """Returns the predictions of a fold; raises unless there are finite numbers for each row."""
    name = "the predictions of fit"
    if predictions.dtype.kind not in "biuf":
        raise wrong_type(name, predictions.ravel()[:3].tolist(), "numbers")
    if predictions.ndim not in (1, 2) or len(predictions) != num_rows:
        expected = f"of the shape ({num_rows},) or ({num_rows}, n), for the rows of the fold"
        raise invalid(name, predictions.shape, expected)
    if predictions.ndim == 2 and predictions.shape[1] > 1 and predictions.dtype.kind in "iu":
        raise ValueError(
            "The predictions of fit must be scores. Got: several integers in each row, such as "
            "leaf indices, whose meaning differs between the models of two folds. Fit the trees to "
            "other rows than the network, such as those of rankkit.data.cold_start_split, or "
            "return scores as floats."
        )
    if not (is_finite := np.isfinite(predictions)).all():
        raise invalid("each prediction of fit", predictions[~is_finite][0].item(), "finite")
    return predictions
