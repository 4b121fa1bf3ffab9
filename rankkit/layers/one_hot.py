"""A category as a vector of one 1 and zeros."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_array
from rankkit.core.vocabulary import check_vocabulary, distinct_ids
from rankkit.layers._lookup import IdTable
from rankkit.layers.base import FeatureLayer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OneHot(FeatureLayer):
    """Gives a category as a one-hot vector; unknown ones have the first place.

    For a few categories and for booleans, straight into a dense layer. For many, and where
    vectors meet, `rankkit.layers.IdEmbedding` learns a vector for each.

    Args:
        vocabulary: The known categories, all `str` or all `int`, without duplicates; 0 and 1 for
            booleans. With `""` among them, missing values that are written so have their own
            place.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64` as the vocabulary; booleans count as integers.

    Output shape:
        `(batch, len(vocabulary) + 1)`.

    Raises:
        ValueError: If the vocabulary is empty, has duplicates or mixes types.
        TypeError: If the layer is called with integers where its categories are strings, or the
            other way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.layers.OneHot(["desk", "phone"])(tf.constant(["phone", "watch"])).numpy().tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, vocabulary: Sequence[str] | Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self._categories = np.array(check_vocabulary("vocabulary", vocabulary), dtype=object)
        self._table = IdTable(self._categories.tolist())

    @classmethod
    def from_column(cls, column: Any, **kwargs: Any) -> "OneHot":
        """Makes the layer for the categories of a column of training rows.

        Args:
            column: Strings, whole numbers or booleans.
            **kwargs: Further arguments of the layer.
        """
        values = as_array(column)
        return cls(distinct_ids(values.astype(int) if values.dtype == bool else values), **kwargs)

    @property
    def vocabulary(self) -> list:
        """The known categories, in the order of their places."""
        return self._categories.tolist()

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of strings or integers."""
        return tf.TensorSpec((None,), self._table.dtype)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with."""
        places = np.arange(count) % len(self._categories)
        return self._categories[places].tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the place of each category, 0 for unknown ones, of the input's shape."""
        return self._table.find(self._table.check(inputs, self.name)) + 1

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return tf.one_hot(codes, len(self._categories) + 1, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape).concatenate(len(self._categories) + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary": self.vocabulary}
