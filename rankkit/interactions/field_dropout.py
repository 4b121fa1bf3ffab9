"""Dropout of whole feature vectors."""

from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.partial import ActivationCache, Vector, supports_parts
from rankkit.interactions._vectors import as_vectors
from rankkit.utils.errors import check_share, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FieldDropout(ArgumentsLayer):
    """Drops whole feature vectors at random during training, before they interact.

    Dropout of single units leaves some of every feature visible. Without a whole feature, the
    network has to predict from the others, and relies less on the one that fits best, often an id.

    Args:
        rate: Probability that a vector is set to 0, in [0, 1). The others are scaled by
            `1 / (1 - rate)`, which keeps the expected sum.
        interaction: A layer of `rankkit.interactions`, or another layer, that combines the vectors.
            Defaults to `None`: they are concatenated.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, dim)`, one per feature.

    Output shape:
        That of `interaction`, or `(batch, sum of dims)`.

    Raises:
        ValueError: If the rate is not in [0, 1).
        TypeError: If the interaction is not a layer.

    References:
        Volkovs et al., DropoutNet: addressing cold start in recommender systems, NIPS 2017.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.interactions.FieldDropout(0.1, rk.interactions.FactorizationMachine())
        >>> layer([tf.ones((2, 3)), tf.ones((2, 3))]).numpy().tolist()
        [[4.0], [4.0]]
    """

    _casts_input = True

    def __init__(
        self, rate: float, interaction: tf.keras.layers.Layer | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if interaction is not None and not isinstance(interaction, tf.keras.layers.Layer):
            raise wrong_type("interaction", interaction, "a tf.keras layer, or None")
        self.rate = check_share("rate", rate)
        self.interaction = interaction
        # Applied to a mask with one value per vector, which keeps or drops all of it.
        self._drop = tf.keras.layers.Dropout(self.rate, dtype=self.dtype_policy)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        vectors = as_vectors(inputs)
        if self.rate:
            ones = tf.ones_like(tf.stack([each[:, 0] for each in vectors], axis=1))
            scale = self._drop(ones, training=training)  # (batch, vectors)
            vectors = [each * scale[:, index, None] for index, each in enumerate(vectors)]
        if self.interaction is None:
            return tf.concat(vectors, axis=-1)
        return self.interaction(vectors)

    def call_parts(self, inputs: Any, cache: ActivationCache) -> Any:
        if self.interaction is None:
            return Vector([part for vector in as_vectors(inputs) for part in vector.parts])
        if supports_parts(self.interaction):
            return self.interaction.call_parts(inputs, cache)
        return self.interaction(cache.whole(as_vectors(inputs)))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FieldDropout":
        interaction = tf.keras.saving.deserialize_keras_object(config["interaction"])
        return cls(**{**config, "interaction": interaction})
