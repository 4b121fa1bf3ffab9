"""Standardization of a number."""

from typing import Any

import tensorflow as tf

from rankkit.core.arrays import column_name
from rankkit.layers import _numeric
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import check_integer, check_number


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NormalizedNumber(FeatureLayer):
    """Standardizes a number, `(x - mean) / standard_deviation`, and optionally embeds it.

    Use it for numbers with a nearly linear effect; otherwise use `rankkit.layers.BucketEmbedding`.
    Integers are read as integers and the mean is subtracted before they are converted to
    `tf.float32`, so that timestamps keep their seconds.

    Args:
        mean: Mean of the training rows. With an integer, the layer reads integers.
        standard_deviation: Standard deviation of the training rows, above 0.
        embedding_dim: Dimension of a trained vector that is multiplied by the number, so that the
            number can interact with other vectors in a factorization machine.
            Defaults to `None`, the number itself.
        missing: `"error"`, or `"learn"` for a trained value in place of NaN. Defaults to `"error"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.int64` if `mean` is an integer and `missing` is `"error"`, otherwise of
        `tf.float32`.

    Output shape:
        `(batch, 1)`, or `(batch, embedding_dim)`.

    Raises:
        ValueError: If a number is not finite, `standard_deviation` not above 0, or
            `embedding_dim` below 1.
        tf.errors.InvalidArgumentError: If an input is infinite, or NaN and `missing` is `"error"`.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.NormalizedNumber.from_column([10.0, 30.0])
        >>> layer(tf.constant([20.0, 35.0])).numpy().tolist()
        [[0.0], [1.5]]
    """

    def __init__(
        self,
        mean: float,
        standard_deviation: float,
        *,
        embedding_dim: int | None = None,
        missing: str = "error",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        _numeric.check_missing_policy(missing)
        self.mean = check_number("mean", mean)
        fix = "A constant column carries no information: leave the feature out."
        expected = "a finite number above 0"
        std = check_number("standard_deviation", standard_deviation, expected, fix, above=0)
        if embedding_dim is not None:
            fix = "Pass None for the number itself."
            embedding_dim = check_integer("embedding_dim", embedding_dim, fix=fix)
            self._vector = self._add_float32("vector", (embedding_dim,), "uniform")
        self.standard_deviation, self.embedding_dim = float(std), embedding_dim
        self.missing = missing
        reads_integers = isinstance(self.mean, int) and missing == "error"
        self._dim = embedding_dim or 1
        self._spec = tf.TensorSpec((None,), tf.int64 if reads_integers else tf.float32)
        if missing == "learn":
            self._missing = self._add_float32("missing", (), "zeros")

    def _add_float32(self, name: str, shape: tuple[int, ...], initializer: str) -> tf.Variable:
        # Half precision would round the sum of its gradient over a batch.
        return self.add_weight(name, shape, initializer=initializer, experimental_autocast=False)

    @classmethod
    def from_column(cls, column: Any, **kwargs: Any) -> "NormalizedNumber":
        """Creates the layer with the mean and standard deviation of a column of training rows.

        Args:
            column: Numbers; missing ones, NaN or None, need `missing="learn"`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If all numbers are equal, or one is missing and `missing` is `"error"`.
        """
        values = _numeric.column_numbers(column, kwargs.get("missing", "error"))
        if (values == values[0]).all():
            raise ValueError(
                f"All values of {column_name(column)} are {values[0].item()}. A constant feature "
                "carries no information: leave it out."
            )
        mean = round(values.mean()) if values.dtype.kind == "i" else float(values.mean())
        return cls(mean, float(values.std()), **kwargs)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, within two standard deviations of the mean."""
        steps = [4 * number / (count - 1) - 2 for number in range(count)]
        values = [self.mean + step * self.standard_deviation for step in steps]
        return [round(value) for value in values] if self._spec.dtype == tf.int64 else values

    def encode(self, inputs: Any) -> tf.Tensor:
        """Standardizes each number, `tf.float32`; NaN stays NaN."""
        values = _numeric.as_numbers(inputs, self._spec.dtype, self.name)
        values = _numeric.check_finite(values, self.missing, self.name)
        return tf.cast(values - self.mean, tf.float32) / self.standard_deviation

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        numbers = tf.cast(codes, self.variable_dtype)
        if self.missing == "learn":
            numbers = tf.where(tf.math.is_nan(numbers), self._missing, numbers)
        numbers = tf.expand_dims(numbers, -1)  # (batch, 1)
        vectors = numbers if self.embedding_dim is None else numbers * self._vector
        return _numeric.to_compute_dtype(vectors, self)
