"""Periodic embeddings of the numbers of a block."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers import _number_block
from rankkit.layers._columnwise import ColumnwiseDense
from rankkit.utils.errors import check_integer, check_number


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PeriodicEmbedding(_number_block.NumberBlock):
    """Embeds each number of a block by sines and cosines of trained frequencies.

    A standardized number `x` becomes `sin(2 pi c x)` and `cos(2 pi c x)` for each frequency `c` of
    its column, followed by a dense layer that the column has for itself. Pass logarithms of skewed
    numbers, such as prices: the layer has no `transform`.

    Args:
        means: Mean of each column of the training rows.
        standard_deviations: Standard deviation of each column; 0 for a constant one.
        embedding_dim: Dimension of the vector of each number. Defaults to `8`.
        num_frequencies: Number of frequencies of each column. Defaults to `16`.
        frequency_scale: Standard deviation of the frequencies before training, the most important
            setting. Larger values fit functions that change faster. Defaults to `0.1`.
        activation: Activation of the vectors. Defaults to `"relu"`.
        column_names: Name of each column, for errors and feature importance. Defaults to `None`.
        missing: `"error"`, or `"learn"` for a trained vector for each column in place of NaN.
            Defaults to `"error"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, columns)` of `tf.float32`.

    Output shape:
        `(batch, columns * embedding_dim)`.

    Raises:
        ValueError: If a number is not finite or out of range.
        tf.errors.InvalidArgumentError: If an input is infinite, or NaN and `missing` is `"error"`.

    References:
        Gorishniy et al., On embeddings for numerical features in tabular deep learning,
        NeurIPS 2022.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> layer = rk.layers.PeriodicEmbedding([0.0, 6.0], [1.0, 2.0], 4)
        >>> layer(np.array([[0.5, 6.0]])).shape
        TensorShape([1, 8])
    """

    def __init__(
        self,
        means: Sequence[float],
        standard_deviations: Sequence[float],
        embedding_dim: int = 8,
        *,
        num_frequencies: int = 16,
        frequency_scale: float = 0.1,
        activation: Any = "relu",
        column_names: Sequence[str] | None = None,
        missing: str = "error",
        **kwargs: Any,
    ):
        self.means, self.standard_deviations = _number_block.check_statistics(
            means, standard_deviations
        )
        self.embedding_dim = check_integer("embedding_dim", embedding_dim)
        self.num_frequencies = check_integer("num_frequencies", num_frequencies)
        scale = check_number("frequency_scale", frequency_scale, "a number above 0", above=0)
        self.frequency_scale = float(scale)
        super().__init__(
            len(self.means),
            self.embedding_dim,
            column_names=column_names,
            missing=missing,
            **kwargs,
        )
        self.activation = tf.keras.activations.get(activation)
        # Sines of large angles need full precision.
        self._frequencies = self.add_weight(
            "frequencies",
            (len(self.means), self.num_frequencies),
            initializer=tf.keras.initializers.RandomNormal(stddev=self.frequency_scale),
            experimental_autocast=False,
        )
        self._dense = ColumnwiseDense(
            self.embedding_dim, self.activation, dtype=self.dtype_policy, name="dense"
        )
        self._dense.build((None, len(self.means), 2 * self.num_frequencies))

    @classmethod
    def from_column(cls, column: Any, embedding_dim: int = 8, **kwargs: Any) -> "PeriodicEmbedding":
        """Creates the layer with the means and standard deviations of a block of training rows.

        One warning names the constant columns and those with missing numbers.

        Args:
            column: A matrix, `(rows, columns)`, or a DataFrame with its names; NaN is missing.
            embedding_dim: Dimension of the vector of each number. Defaults to `8`.
            **kwargs: Further arguments of the layer; `missing` defaults to `"learn"` if a number is
                missing.

        Raises:
            ValueError: If the block has no rows or an infinite number, or a number is missing and
                `missing` is `"error"`.
            TypeError: If the block is not a matrix of numbers.
        """
        block = _number_block.TrainingBlock(column, kwargs.pop("missing", None))
        kwargs = {"column_names": block.names, **kwargs, "missing": block.missing}
        return cls(*_number_block.standardization(block.columns), embedding_dim, **kwargs)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, `(count, columns)`."""
        values = _number_block.around(self.means, self.standard_deviations, count)
        return values.astype(np.float32).tolist()

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        return _number_block.standardized(numbers, self.means, self.standard_deviations)

    def _vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        angles = 2.0 * math.pi * numbers[:, :, tf.newaxis] * self._frequencies
        return self._dense(tf.concat([tf.sin(angles), tf.cos(angles)], axis=2))
