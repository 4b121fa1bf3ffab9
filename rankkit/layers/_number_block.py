"""Base class of the layers that read a block of numbers, and what they learn from its columns."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import as_array
from rankkit.core.precision import check_float32, to_float32
from rankkit.layers import _numeric
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import check_integer, check_sequence, invalid, wrong_type
from rankkit.utils.graph_errors import assert_in_graph

_SHOWN = 5  # names of columns in a warning
_STEEPEST = 1e38  # finite in float32
_EXPECTED = "a matrix of numbers, or a DataFrame, with one row per example"


class NumberBlock(FeatureLayer):
    """A feature layer that reads a vector of numbers, such as columns of a table side by side.

    `encode` scales each number; NaN stays NaN. `_vectors` turns scaled numbers into vectors.
    """

    def __init__(
        self,
        num_columns: int,
        dim: int,
        *,
        column_names: Sequence[str] | None = None,
        missing: str = "error",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _numeric.check_missing_policy(missing)
        self.missing = missing
        self.column_names = _check_names(column_names, num_columns)
        self._num_columns = num_columns
        self._dim = num_columns * dim
        self._spec = tf.TensorSpec((None, num_columns), tf.float32)
        if missing == "learn":
            # Half precision would round the sum of its gradient over a batch.
            self._missing = self.add_weight(
                "missing", (num_columns, dim), initializer="zeros", experimental_autocast=False
            )

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        """Scales numbers, `(batch, columns)` of `tf.float32`."""
        raise NotImplementedError

    def _vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        """Turns scaled numbers, `(batch, columns)`, into vectors, `(batch, columns, dim)`."""
        raise NotImplementedError

    def encode(self, inputs: Any) -> tf.Tensor:
        """Scales each number, `tf.float32`; NaN stays NaN."""
        numbers = to_float32(f"The input of layer {self.name!r}", tf.convert_to_tensor(inputs))
        if not self._spec.shape.is_compatible_with(numbers.shape):  # one column would be repeated
            raise invalid(
                f"the input of layer {self.name!r}",
                tuple(numbers.shape),
                f"numbers of the shape (rows, {self._num_columns})",
                "Pass the columns of the training rows, in their order.",
            )
        is_wrong = tf.math.is_inf(numbers)
        found, fix = "an infinite value", "Drop or fix those rows."
        if self.missing == "error":
            is_wrong |= tf.math.is_nan(numbers)
            found, fix = f"NaN or {found}", f"{fix} To learn a value for NaN, pass missing='learn'."
        per_column = tf.reduce_any(is_wrong, axis=0)
        names = self.column_names or [str(index) for index in range(self._num_columns)]
        column = tf.gather(tf.constant(names), tf.argmax(tf.cast(per_column, tf.int32)))
        message = f"The input of layer {self.name!r} must be finite. Got: {found} in column "
        check = assert_in_graph(~tf.reduce_any(per_column), message, column, f". {fix}")
        with tf.control_dependencies([check]):
            if self.missing == "error":
                return self._scaled(numbers)
            is_missing = tf.math.is_nan(numbers)
            return tf.where(is_missing, numbers, self._scaled(tf.where(is_missing, 0.0, numbers)))

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        if self.missing == "error":
            vectors = tf.cast(self._vectors(codes), self.compute_dtype)
        else:
            is_missing = tf.math.is_nan(codes)
            vectors = self._vectors(tf.where(is_missing, 0.0, codes))
            learned = tf.cast(self._missing, vectors.dtype)
            vectors = tf.where(is_missing[:, :, tf.newaxis], learned, vectors)
        outputs = tf.reshape(vectors, [-1, self._dim])  # (batch, columns * dim)
        return _numeric.to_compute_dtype(outputs, self)


def _check_names(names: Any, num_columns: int) -> list[str] | None:
    if names is None:
        return None
    expected = f"a list of {num_columns} names, one for each column"
    names = check_sequence("column_names", names, expected)
    if len(names) != num_columns or len(set(names)) < len(names):
        raise invalid("column_names", names, f"{expected}, without duplicates")
    if not all(isinstance(name, str) for name in names):
        raise wrong_type("column_names", names, expected)
    return names


class TrainingBlock:
    """The columns of a block of training rows.

    Args:
        block: A matrix or a table.
        missing: The policy for missing numbers; `None` chooses `"learn"` if there are any.

    Attributes:
        columns: The known numbers of each column, sorted.
        names: The names of the columns of a DataFrame, otherwise `None`.
        missing: The policy.
    """

    def __init__(self, block: Any, missing: str | None):
        names = getattr(block, "columns", None)
        is_table = hasattr(block, "column_names")  # of pyarrow
        names = block.column_names if is_table else names
        matrix = _as_matrix(block.to_pandas() if is_table else block)
        self.names = None if names is None else list(map(str, names))
        self.columns = [np.sort(column[~np.isnan(column)]) for column in matrix.T]
        num_incomplete = int(np.isnan(matrix).any(axis=1).sum())
        if missing == "error" and num_incomplete:
            raise ValueError(
                f"The block must have a number in every cell. Got: NaN in {num_incomplete} of "
                f"{len(matrix)} rows. Drop those rows, or learn values for NaN: missing='learn'."
            )
        self.missing = missing or ("learn" if num_incomplete else "error")
        self._warn(matrix if missing is None else matrix[:0])

    def _warn(self, matrix: np.ndarray) -> None:
        """Warns once about constant columns, which stay 0, and missing numbers of `matrix`."""
        texts = []
        is_constant = [not len(each) or each[0] == each[-1] for each in self.columns]
        if constant := np.flatnonzero(is_constant).tolist():
            texts.append(f"Constant columns, whose scaled values are 0: {self._listed(constant)}.")
        if incomplete := np.flatnonzero(np.isnan(matrix).any(axis=0)).tolist():
            share = np.isnan(matrix[:, incomplete]).mean()
            texts.append(
                "Columns with missing numbers, in place of which a value is learned: "
                f"{self._listed(incomplete)}, {share:.1%} of their rows."
            )
        if texts:
            warnings.warn(" ".join(texts), stacklevel=5)

    def _listed(self, indices: list[int]) -> str:
        shown = ", ".join(repr(self.names[i]) if self.names else str(i) for i in indices[:_SHOWN])
        more = ", ..." if len(indices) > _SHOWN else ""
        return f"{shown}{more} ({len(indices)} of {len(self.columns)})"


def _as_matrix(block: Any) -> np.ndarray:
    """Converts a block to float64, `(rows, columns)`; raises unless it is a matrix of numbers."""
    is_rows = isinstance(block, list | tuple)
    try:
        array = np.asarray(block) if is_rows else as_array(block)
    except ValueError:
        raise TypeError(f"The block must be {_EXPECTED}. Got: rows of unequal lengths.") from None
    if array.dtype.kind == "O" and array.ndim == 2:  # a DataFrame with None, or of mixed dtypes
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            wrong = next(cell for cell in array.ravel() if isinstance(cell, str))
            raise wrong_type("the block", wrong, _EXPECTED, "Select numeric columns.") from None
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        got = f"an array of shape {array.shape} and dtype {array.dtype}"
        fix = ""
        if isinstance(block, Mapping):
            got, fix = "a dict", ' Pass its matrix, such as rows["features"].'
        elif array.ndim == 1:
            fix = " Write column[:, numpy.newaxis] for a matrix of one column."
        raise TypeError(f"The block must be {_EXPECTED}. Got: {got}.{fix}")
    if 0 in array.shape:
        raise ValueError(f"The block must have rows and columns. Got: the shape {array.shape}.")
    check_float32("the block", array)
    if np.isinf(array).any():
        column = int(np.isinf(array).any(axis=0).argmax())
        raise ValueError(
            f"The block must be finite. Got: an infinite value in column {column}. Replace "
            "infinite values, by NaN if they are missing ones."
        )
    return array.astype(np.float64)


def standardization(columns: Sequence[np.ndarray]) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation of each column; 0 and 0 for one without numbers."""
    means = [float(column.mean()) if len(column) else 0.0 for column in columns]
    return means, [float(column.std()) if len(column) else 0.0 for column in columns]


def check_statistics(means: Any, deviations: Any) -> tuple[np.ndarray, np.ndarray]:
    """Checks the means and the standard deviations of columns."""
    expected = "a list with a finite number for each column"
    checked = []
    for name, values in (("means", means), ("standard_deviations", deviations)):
        numbers = np.array(check_sequence(name, values, expected), float)
        if not numbers.size or numbers.ndim != 1 or not np.isfinite(numbers).all():
            raise invalid(name, values, expected)
        checked.append(numbers)
    means, deviations = checked
    if len(means) != len(deviations) or deviations.min() < 0:
        expected = f"{len(means)} numbers of at least 0, one for each of the means"
        raise invalid("standard_deviations", deviations.tolist(), expected)
    return means, deviations


def standardized(numbers: tf.Tensor, means: np.ndarray, deviations: np.ndarray) -> tf.Tensor:
    """Standardizes numbers, `(batch, columns)`; those of a column without deviation become 0."""
    factors = np.divide(1.0, deviations, out=np.zeros_like(deviations), where=deviations > 0)
    return (numbers - means.astype(np.float32)) * factors.astype(np.float32)


def around(means: np.ndarray, deviations: np.ndarray, count: int) -> np.ndarray:
    """Example rows within two standard deviations of the means, `(count, columns)`."""
    return means + np.linspace(-2, 2, count)[:, np.newaxis] * deviations


def between(boundaries: Sequence[Sequence[float]], count: int) -> list:
    """Example rows from the first to the last boundary of each column, `(count, columns)`."""
    ends = np.array([(each[0], each[-1]) if each else (0.0, 0.0) for each in boundaries])
    return np.linspace(ends[:, 0], ends[:, 1], count).astype(np.float32).tolist()


def quantiles(columns: Sequence[np.ndarray], num_bins: int) -> list[list[float]]:
    """Ascending boundaries of up to `num_bins` bins of equal counts for each column.

    A column with one value has one boundary, a column without values none.
    """
    check_integer("num_bins", num_bins)
    levels = np.linspace(0, 1, num_bins + 1)
    return [
        np.unique(np.quantile(each, levels).astype(np.float32)).astype(float).tolist()
        if len(each)
        else []
        for each in columns
    ]


class Bins:
    """Bins of numbers by column, for positions that grow linearly from edge to edge.

    Args:
        boundaries: Ascending boundaries of the bins of each column.

    Attributes:
        boundaries: The boundaries, as lists of Python numbers.
        num_bins: The largest number of bins of a column.
    """

    def __init__(self, boundaries: Any):
        expected = "a list with a list of ascending numbers for each column"
        for column, each in enumerate(check_sequence("boundaries", boundaries, expected)):
            if len(each):
                _numeric.as_boundaries(f"boundaries[{column}]", each)
        self.boundaries = [[float(edge) for edge in each] for each in boundaries]
        self.num_bins = max(1, *(len(each) - 1 for each in boundaries))
        # Bins that a column does not have begin above all numbers.
        starts = np.full((len(boundaries), self.num_bins), np.inf, np.float32)
        slopes = np.zeros_like(starts)
        for column, each in enumerate(boundaries):
            count = max(0, len(each) - 1)
            starts[column, :count] = each[:-1]
            slopes[column, :count] = np.minimum(1.0 / np.diff(each), _STEEPEST)
        self._starts, self._slopes = np.where(np.isinf(starts), 0.0, starts), slopes

    def shares(self, numbers: tf.Tensor) -> tf.Tensor:
        """How far numbers are in each bin, from 0 to 1, `(batch, columns, bins)`."""
        return tf.clip_by_value((numbers[:, :, tf.newaxis] - self._starts) * self._slopes, 0.0, 1.0)

    def positions(self, numbers: tf.Tensor) -> tf.Tensor:
        """Number of bins below each number, with the share of its own, `(batch, columns)`."""
        return tf.reduce_sum(self.shares(numbers), axis=2)
