"""A text as the mean of the trained vectors of its words."""

from collections import Counter
from typing import Any

import tensorflow as tf

from rankkit.core.columns import as_array
from rankkit.layers.tags_embedding import TagsEmbedding
from rankkit.utils.errors import invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TextEmbedding(TagsEmbedding):
    """Splits a text into words, looks each up and pools their embeddings into one vector.

    Words are in lower case; what is neither letter nor digit divides them. Words outside the
    vocabulary share one row of the table.

    TensorFlow Lite has no operation that splits text, and a file with this layer is refused. Where
    the text belongs to an id, such as a title, `rankkit.layers.Attribute` holds it split.

    Args:
        vocabulary: The known words, without duplicates.
        embedding_dim: Width of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`, as in `rankkit.layers.TagsEmbedding`.
            Defaults to `"mean"`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        `(batch,)` of `tf.string`, UTF-8.

    Output shape:
        `(batch, embedding_dim)`, zero for a text without words.

    Raises:
        ValueError: If the vocabulary is empty or has duplicates, or `pooling` is unknown.
        TypeError: If the layer is called with other than strings.

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
        """Makes the layer for the words of a column of training rows.

        Args:
            column: A text for each row.
            embedding_dim: Width of the vectors.
            min_count: Words in fewer distinct texts are left out. Defaults to `1`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If no word is in so many texts.
        """
        texts = list(dict.fromkeys(as_array(column).tolist()))
        for text in texts:
            if not isinstance(text, str):
                raise wrong_type("column", text, "of str", "Write a missing text as ''.")
        counts = Counter(
            word for found in _words(tf.constant(texts, tf.string)).to_list() for word in set(found)
        )
        words = sorted(word.decode() for word, count in counts.items() if count >= min_count)
        if not words:
            raise invalid("min_count", min_count, "at most the texts that a word is in")
        return cls(words, embedding_dim, **kwargs)

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of strings."""
        return tf.TensorSpec((None,), tf.string)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with, an empty and an unknown one included."""
        return [" ".join(words) for words in super().sample_values(count)]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the row of each word, `(batch, words)`, -1 beyond the last of a text."""
        return super().encode(_words(self._table.check(inputs, self.name)).to_tensor(""))

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape).concatenate(self.embedding_dim)


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    lower = tf.strings.lower(texts, encoding="utf-8")
    return tf.strings.split(tf.strings.regex_replace(lower, r"[^\p{L}\p{N}]+", " "))
