"""Embedding of an id together with its attributes."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import Ids
from rankkit.layers.attribute import Attribute
from rankkit.layers.base import check_inner
from rankkit.layers.id_embedding import IdEmbedding
from rankkit.utils.errors import check_sequence, invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class IdAttributesEmbedding(IdEmbedding):
    """Embeds an id as the sum of a vector of its own and the vectors of its attributes.

    Rare items share what is learned about their attributes, such as the category or the brand. Use
    it in place of an `IdEmbedding`, also as the `item_layer` of layers that read histories: a
    separate `Attribute` feature describes only the candidate.

    `id_dropout_rate` drops the vector of an id and keeps those of its attributes, so that a new id
    of known attributes can be scored. Put such ids into the vocabulary.

    Args:
        vocabulary: Distinct ids, all `str` or all `int`.
        embedding_dim: Dimension of the vectors, at least 1.
        attributes: `rankkit.layers.Attribute` layers of the ids, with vectors of the same
            dimension. Ids that one of them does not know have its default.
        **kwargs: Further arguments of `IdEmbedding`, such as `num_oov_indices`, `id_dropout_rate`,
            `embeddings_initializer` and `name`.

    Input shape:
        Any shape, usually `(batch,)`, of `tf.string` or `tf.int64` as the vocabulary.

    Output shape:
        The input shape followed by `embedding_dim`, usually `(batch, embedding_dim)`.

    Raises:
        TypeError: If an attribute is not an `Attribute` layer, or reads ids of another type.
        ValueError: If there are no attributes, a dimension differs, or an argument is one that
            `IdEmbedding` does not allow.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> genres = rk.layers.TagsEmbedding(["Comedy", "Crime"], 4, pooling="sqrtn")
        >>> lists = [["Crime"], ["Comedy", "Crime"]]
        >>> genres = rk.layers.Attribute(["Heat", "Clue"], lists, genres)
        >>> layer = rk.layers.IdAttributesEmbedding(["Heat", "Clue"], 4, [genres])
        >>> layer(tf.constant(["Clue", "new"])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self, vocabulary: Ids, embedding_dim: int, attributes: Sequence[Any], **kwargs: Any
    ):
        super().__init__(vocabulary, embedding_dim, **kwargs)
        self.attributes = check_sequence("attributes", attributes, "a list of Attribute layers")
        if not self.attributes:
            raise invalid("attributes", attributes, "a list of at least one Attribute layer")
        ids, self._attribute_codes = tf.constant(self._lookup.ids.tolist(), self._lookup.dtype), []
        for index, layer in enumerate(self.attributes):
            if not isinstance(layer, Attribute):
                expected = "a rankkit.layers.Attribute"
                raise wrong_type(f"attributes[{index}]", layer, expected)
            if layer._dim != self.embedding_dim:
                expected = f"{self.embedding_dim}, the embedding_dim of the id"
                raise invalid(f"the embedding_dim of attributes[{index}]", layer._dim, expected)
            check_inner(f"attributes[{index}]", layer)
            with tf.init_scope():
                unknown = tf.repeat(layer.default_codes, self.num_oov_indices, axis=0)
                codes = tf.concat([unknown, layer.encode(ids)], axis=0)
            self._attribute_codes.append(codes)  # of each row of the table

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, attributes: Sequence[Any], **kwargs: Any
    ) -> "IdAttributesEmbedding":
        """Creates the layer for the ids in a column of training rows.

        Args:
            column: The ids, all strings or all integers.
            embedding_dim: Dimension of the vectors.
            attributes: `rankkit.layers.Attribute` layers of the ids.
            **kwargs: Further arguments of the layer.
        """
        return cls(distinct_ids(column), embedding_dim, attributes, **kwargs)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        vectors = [super().embed(codes, training)]
        shape, flat = tf.shape(codes), tf.reshape(codes, [-1])
        for layer, of_rows in zip(self.attributes, self._attribute_codes, strict=True):
            found = layer.embed(tf.gather(of_rows, flat), training)
            found = tf.reshape(found, tf.concat([shape, [self.embedding_dim]], axis=0))
            vectors.append(tf.cast(found, vectors[0].dtype))
        return tf.add_n(vectors)

    def get_config(self) -> dict[str, Any]:
        serialized = map(tf.keras.saving.serialize_keras_object, self.attributes)
        return {**super().get_config(), "attributes": [*serialized]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "IdAttributesEmbedding":
        made = map(tf.keras.saving.deserialize_keras_object, config["attributes"])
        return cls(**{**config, "attributes": [*made]})
