"""One-hot encoding of a category."""

from typing import Any

import tensorflow as tf

from rankkit.core.arrays import as_array
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import IdLookup, Ids
from rankkit.layers.base import VocabularyLayer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OneHot(VocabularyLayer):
    """Encodes a category as a one-hot vector; index 0 is for out-of-vocabulary values.

    Use it for booleans and a few categories that go straight into a dense layer. For many
    categories, and for interactions of vectors such as in a factorization machine,
    `rankkit.layers.IdEmbedding` learns a vector for each.

    Args:
        vocabulary: The known categories, all `str` or all `int`, without duplicates; 0 and 1 for
            booleans. Include `""` to give missing strings an index of their own.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64` as the vocabulary; booleans count as integers.

    Output shape:
        `(batch, len(vocabulary) + 1)`.

    Raises:
        ValueError: If the vocabulary is empty or has duplicates.
        TypeError: If the vocabulary mixes types, or the input has another type.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.layers.OneHot(["desk", "phone"])(tf.constant(["phone", "watch"])).numpy().tolist()
        [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """

    def __init__(self, vocabulary: Ids, **kwargs: Any):
        super().__init__(**kwargs)
        self._lookup = IdLookup("vocabulary", vocabulary)
        self._spec, self._dim = self._lookup.spec, len(self._lookup) + 1

    @classmethod
    def from_column(cls, column: Any, **kwargs: Any) -> "OneHot":
        """Creates the layer for the categories in a column of training rows.

        Args:
            column: Strings, integers or booleans.
            **kwargs: Further arguments of the layer.
        """
        values = as_array(column)
        return cls(distinct_ids(values.astype(int) if values.dtype == bool else column), **kwargs)

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the index of each category, 0 if it is out of vocabulary."""
        return self._lookup.find(inputs, self.name) + 1

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return tf.one_hot(codes, self._dim, dtype=self.compute_dtype)
