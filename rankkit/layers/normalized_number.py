"""A number on a common scale."""

import math
from typing import Any

import tensorflow as tf

from rankkit.layers._numeric import check_finite, check_policy, finite_numbers
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NormalizedNumber(FeatureLayer):
    """Gives `(x - mean) / standard_deviation`, times a trained vector where that is asked for.

    For numbers whose effect is near a straight line; others are better in buckets. Whole numbers
    are taken as integers, and the mean from them before they are rounded: timestamps keep their
    seconds.

    Args:
        mean: Mean of the training rows. A whole number takes integers.
        standard_deviation: Their standard deviation, above 0, in the unit of the number.
        embedding_dim: Width of a trained vector that the number is multiplied by, so that it can
            meet the vectors of ids in a factorization machine. Defaults to `None`, the number
            itself.
        missing: `"error"`, or `"learn"` for a trained value in place of NaN.
            Defaults to `"error"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.int64` where the mean is a whole number and missing ones are errors,
        otherwise of `tf.float32`.

    Output shape:
        `(batch, 1)`, or `(batch, embedding_dim)`.

    Raises:
        ValueError: If the mean is not finite, the deviation not above 0 or the width below 1.
        tf.errors.InvalidArgumentError: If the layer is called with an infinite number, or NaN
            where that is an error.

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
        check_policy(missing)
        if not math.isfinite(mean):
            raise invalid("mean", mean, "finite")
        if not 0 < standard_deviation < math.inf:
            fix = "A constant column tells nothing: leave the feature out."
            raise invalid("standard_deviation", standard_deviation, "above 0", fix)
        if embedding_dim is not None and (not isinstance(embedding_dim, int) or embedding_dim < 1):
            raise invalid("embedding_dim", embedding_dim, "an integer of at least 1, or None")
        self.mean = mean
        self.standard_deviation = float(standard_deviation)
        self.embedding_dim = embedding_dim
        self.missing = missing
        whole = isinstance(mean, int) and missing == "error"
        self._kind = tf.int64 if whole else tf.float32
        if embedding_dim is not None:
            self._vector = self.add_weight("vector", (embedding_dim,), initializer="uniform")
        if missing == "learn":
            self._missing = self.add_weight("missing", (), initializer="zeros")

    @classmethod
    def from_column(cls, column: Any, **kwargs: Any) -> "NormalizedNumber":
        """Makes the layer with the scale of a column of training rows.

        Args:
            column: Numbers. Missing ones have no part in the scale.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If all numbers are equal.
        """
        values = finite_numbers("column", column, missing=True)
        mean = round(values.mean()) if values.dtype.kind == "i" else float(values.mean())
        return cls(mean, float(values.std()), **kwargs)

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of numbers."""
        return tf.TensorSpec((None,), self._kind)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with, two deviations to either side."""
        steps = [4 * place / (count - 1) - 2 for place in range(count)]
        values = [self.mean + step * self.standard_deviation for step in steps]
        return [round(value) for value in values] if self._kind == tf.int64 else values

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives each number on the common scale, NaN for missing ones, `tf.float32`."""
        values = check_finite(tf.cast(inputs, self._kind), self.missing, self.name)
        return tf.cast(values - self.mean, tf.float32) / self.standard_deviation

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        numbers = tf.cast(codes, self.compute_dtype)
        if self.missing == "learn":
            learned = tf.cast(self._missing, numbers.dtype)
            numbers = tf.where(tf.math.is_nan(numbers), learned, numbers)
        numbers = tf.expand_dims(numbers, -1)
        return numbers if self.embedding_dim is None else numbers * self._vector

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape).concatenate(self.embedding_dim or 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "embedding_dim": self.embedding_dim,
            "missing": self.missing,
        }
