"""Scaling of a block of numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers import _number_block
from rankkit.utils.errors import check_choice, check_integer, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NormalizedNumbers(_number_block.NumberBlock):
    """Scales each column of a block of numbers, such as the features of a document.

    The numbers are first transformed, then standardized: `(t(x) - mean) / standard_deviation`. A
    column that is constant in the training rows has the standard deviation 0, and its scaled value
    is always 0.

    Args:
        means: Mean of each column of the training rows, after the transformation.
        standard_deviations: Standard deviation of each column, after the transformation.
        transform: `None` for the numbers themselves; `"log"` for `sign(x) * log(1 + |x|)`, for
            counts, prices and other skewed columns; `"quantile"` for the position of the number
            among `boundaries`, which ignores the scale and the outliers of a column. Defaults to
            `None`.
        boundaries: For `"quantile"`: the ascending quantiles of each column. Defaults to `None`.
        column_names: Name of each column, for errors and feature importance. Defaults to `None`.
        missing: `"error"`, or `"learn"` for a trained value for each column in place of NaN, at
            first the mean. Defaults to `"error"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, columns)` of `tf.float32`.

    Output shape:
        `(batch, columns)`.

    Raises:
        ValueError: If the arguments differ in length, or a number is not finite.
        tf.errors.InvalidArgumentError: If an input is infinite, or NaN and `missing` is `"error"`.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> layer = rk.layers.NormalizedNumbers.from_column(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> layer(np.array([[2.0, 35.0]])).numpy().tolist()
        [[0.0, 1.5]]
    """

    def __init__(
        self,
        means: Sequence[float],
        standard_deviations: Sequence[float],
        *,
        transform: str | None = None,
        boundaries: Sequence[Sequence[float]] | None = None,
        column_names: Sequence[str] | None = None,
        missing: str = "error",
        **kwargs: Any,
    ):
        self.means, self.standard_deviations = _number_block.check_statistics(
            means, standard_deviations
        )
        super().__init__(len(self.means), 1, column_names=column_names, missing=missing, **kwargs)
        if transform is not None:
            check_choice("transform", transform, ("log", "quantile"))
        self.transform = transform
        if (boundaries is None) == (transform == "quantile"):
            expected = "the quantiles of each column" if boundaries is None else "None"
            raise invalid("boundaries", boundaries, f"{expected} because transform={transform!r}")
        self._bins = None if boundaries is None else _number_block.Bins(boundaries)
        if boundaries is not None and len(boundaries) != len(self.means):
            expected = f"a list for each of the {len(self.means)} columns"
            raise invalid("boundaries", boundaries, expected)

    @classmethod
    def from_column(
        cls, column: Any, *, transform: str | None = None, num_quantiles: int = 32, **kwargs: Any
    ) -> "NormalizedNumbers":
        """Creates the layer with the statistics of a block of training rows.

        One warning names the constant columns and those with missing numbers.

        Args:
            column: A matrix, `(rows, columns)`, or a DataFrame with its names; NaN is missing.
            transform: As for the constructor. Defaults to `None`.
            num_quantiles: Number of bins of equal counts for `"quantile"`. Defaults to `32`.
            **kwargs: Further arguments of the layer; `missing` defaults to `"learn"` if a number is
                missing.

        Raises:
            ValueError: If the block has no rows or an infinite number, or a number is missing and
                `missing` is `"error"`.
            TypeError: If the block is not a matrix of numbers.
        """
        check_integer("num_quantiles", num_quantiles)
        block = _number_block.TrainingBlock(column, kwargs.pop("missing", None))
        kwargs = {"column_names": block.names, **kwargs, "missing": block.missing}
        columns, boundaries = block.columns, None
        if transform == "log":
            columns = [_signed_log(each) for each in columns]
        elif transform == "quantile":
            boundaries = _number_block.quantiles(columns, num_quantiles)
            pairs = zip(columns, boundaries, strict=True)
            columns = [
                np.interp(each, edges, range(len(edges))) if edges else each
                for each, edges in pairs
            ]
        means, deviations = _number_block.standardization(columns)
        return cls(means, deviations, transform=transform, boundaries=boundaries, **kwargs)

    @property
    def boundaries(self) -> list[list[float]] | None:
        """Ascending quantiles of each column; `None` unless the transform is `"quantile"`."""
        return None if self._bins is None else self._bins.boundaries

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, `(count, columns)`."""
        if self.boundaries is not None:
            return _number_block.between(self.boundaries, count)
        values = _number_block.around(self.means, self.standard_deviations, count)
        if self.transform == "log":
            values = np.sign(values) * np.expm1(np.abs(values))
        return values.astype(np.float32).tolist()

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        if self.transform == "log":
            numbers = tf.sign(numbers) * tf.math.log1p(tf.abs(numbers))
        elif self._bins is not None:
            numbers = self._bins.positions(numbers)
        return _number_block.standardized(numbers, self.means, self.standard_deviations)

    def _vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        return numbers[:, :, tf.newaxis]


def _signed_log(numbers: np.ndarray) -> np.ndarray:
    return np.sign(numbers) * np.log1p(np.abs(numbers))
