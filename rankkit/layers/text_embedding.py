"""Pooled embedding of the words of a text."""

from collections import Counter
from typing import Any

import tensorflow as tf

from rankkit.core.arrays import column_name, single_values
from rankkit.core.columns import as_list
from rankkit.core.timestamps import is_missing
from rankkit.layers.tags_embedding import TagsEmbedding
from rankkit.utils.errors import check_integer, invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TextEmbedding(TagsEmbedding):
    """Splits a text into words, looks up each word and pools their embeddings into one vector.

    Words are lowercase and separated by everything that is neither a letter nor a digit.
    Out-of-vocabulary words share the first row of the table.

    TensorFlow Lite cannot split text, so a network with this layer cannot be converted. If a text
    belongs to an id, such as a title to a movie, a `rankkit.layers.Attribute` with this layer
    splits the texts when it is created.

    Args:
        vocabulary: The known words, in lowercase and without duplicates.
        embedding_dim: Dimension of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`, as in `TagsEmbedding`. Defaults to `"mean"`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        `(batch,)` of `tf.string`, UTF-8.

    Output shape:
        `(batch, embedding_dim)`, zero for a text without words.

    Raises:
        ValueError: If the vocabulary is empty or has duplicates, or `pooling` is unknown.
        TypeError: If the layer is called with anything but strings.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TextEmbedding(["die", "hard"], 4)
        >>> layer.encode(tf.constant(["Die Hard 2 (1990)"])).numpy().tolist()
        [[1, 2, 0, 0]]
    """

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, *, min_count: int = 1, **kwargs: Any
    ) -> "TextEmbedding":
        """Creates the layer for the words in a column of training rows.

        Args:
            column: A text for each row.
            embedding_dim: Dimension of the vectors.
            min_count: Least number of distinct texts that a word occurs in. Defaults to `1`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If no word occurs in that many texts.
            TypeError: If a value is not a string.
        """
        check_integer("min_count", min_count)
        name = column_name(column)
        texts = list(dict.fromkeys(as_list(single_values(name, column), name)))
        for text in texts:
            if not isinstance(text, str):
                fix = "Pass '' for a missing text." if is_missing(text) else "Use .astype(str)."
                raise wrong_type(f"each text in {name}", text, "a string", fix)
        if not texts:
            raise invalid(name, texts, "a list of at least one text", "Was the column empty?")
        counts = Counter(
            word for found in _words(tf.constant(texts, tf.string)).to_list() for word in set(found)
        )
        words = sorted(word.decode() for word, count in counts.items() if count >= min_count)
        if not words:
            most = max(counts.values(), default=0)
            raise ValueError(
                f"min_count={min_count} leaves no word in the vocabulary: the most frequent word "
                f"occurs in {most} distinct texts. Lower min_count."
            )
        return cls(words, embedding_dim, **kwargs)

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of strings."""
        return tf.TensorSpec((None,), tf.string)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, with an empty text and an out-of-vocabulary word."""
        return [" ".join(words) for words in super().sample_values(count)]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the row of each word in the table, `(batch, words)`, -1 for padding."""
        return super().encode(_words(self._lookup.check(inputs, self.name)).to_tensor(""))


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.split(tf.strings.regex_replace(lower, r"[^\p{L}\p{N}]+", " "))
