"""Piecewise linear embeddings of the numbers of a block."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.layers import _number_block
from rankkit.layers._columnwise import ColumnwiseDense
from rankkit.utils.errors import check_integer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PiecewiseLinearEmbedding(_number_block.NumberBlock):
    """Embeds each number of a block by how far it is in each of several bins of its column.

    The bins are quantiles of the training rows. Component `i` of the encoding grows linearly from 0
    to 1 in bin `i`, so that a dense layer learns a continuous, piecewise linear function of the
    number, with kinks where a tree would split. Each column has a dense layer of its own.

    Args:
        boundaries: Ascending boundaries of the bins of each column.
        embedding_dim: Dimension of the vector of each number. Defaults to `8`.
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
        ValueError: If boundaries are not ascending, or `embedding_dim` is below 1.
        tf.errors.InvalidArgumentError: If an input is infinite, or NaN and `missing` is `"error"`.

    References:
        Gorishniy et al., On embeddings for numerical features in tabular deep learning,
        NeurIPS 2022.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> layer = rk.layers.PiecewiseLinearEmbedding([[0.0, 1.0, 2.0], [5.0, 7.0]], 4)
        >>> layer(np.array([[0.5, 6.0]])).shape
        TensorShape([1, 8])
    """

    def __init__(
        self,
        boundaries: Sequence[Sequence[float]],
        embedding_dim: int = 8,
        *,
        activation: Any = "relu",
        column_names: Sequence[str] | None = None,
        missing: str = "error",
        **kwargs: Any,
    ):
        self.embedding_dim = check_integer("embedding_dim", embedding_dim)
        self._bins = _number_block.Bins(boundaries)
        super().__init__(
            len(boundaries),
            self.embedding_dim,
            column_names=column_names,
            missing=missing,
            **kwargs,
        )
        self.activation = tf.keras.activations.get(activation)
        self._dense = ColumnwiseDense(
            self.embedding_dim, self.activation, dtype=self.dtype_policy, name="dense"
        )
        self._dense.build((None, len(boundaries), self._bins.num_bins))

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int = 8, *, num_bins: int = 16, **kwargs: Any
    ) -> "PiecewiseLinearEmbedding":
        """Creates the layer with the quantiles of a block of training rows as boundaries.

        One warning names the constant columns and those with missing numbers.

        Args:
            column: A matrix, `(rows, columns)`, or a DataFrame with its names; NaN is missing.
            embedding_dim: Dimension of the vector of each number. Defaults to `8`.
            num_bins: Number of bins of a column, fewer if values repeat. Defaults to `16`.
            **kwargs: Further arguments of the layer; `missing` defaults to `"learn"` if a number is
                missing.

        Raises:
            ValueError: If the block has no rows or an infinite number, or a number is missing and
                `missing` is `"error"`.
            TypeError: If the block is not a matrix of numbers.
        """
        block = _number_block.TrainingBlock(column, kwargs.pop("missing", None))
        kwargs = {"column_names": block.names, **kwargs, "missing": block.missing}
        return cls(_number_block.quantiles(block.columns, num_bins), embedding_dim, **kwargs)

    @property
    def boundaries(self) -> list[list[float]]:
        """Ascending boundaries of the bins of each column."""
        return self._bins.boundaries

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, `(count, columns)`."""
        return _number_block.between(self.boundaries, count)

    def _scaled(self, numbers: tf.Tensor) -> tf.Tensor:
        return self._bins.positions(numbers)

    def _vectors(self, numbers: tf.Tensor) -> tf.Tensor:
        # A position is the sum of the shares of all bins, of which each is 1 before the next grows.
        starts = tf.range(self._bins.num_bins, dtype=numbers.dtype)
        shares = tf.clip_by_value(numbers[:, :, tf.newaxis] - starts, 0.0, 1.0)
        return self._dense(shares)
