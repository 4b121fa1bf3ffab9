"""Whole features left out at random while training."""

from typing import Any

import tensorflow as tf

from rankkit.core.partial import Kept, Vector, knows_parts
from rankkit.interactions._vectors import listed
from rankkit.utils.errors import invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class FieldDropout(tf.keras.layers.Layer):
    """Sets whole vectors to zero at random while training, before they meet.

    Dropout of single numbers leaves each feature in sight. Without a whole one, the others have to
    do: a network does not lean on the one feature that fits the training rows best.

    Args:
        rate: Share of the vectors that are left out, in [0, 1). The others are scaled by
            `1 / (1 - rate)`, so that their sum stays the same on average.
        interaction: The layer of `rankkit.interactions`, or another layer, that they meet in.
            Defaults to `None`, which puts them side by side.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, dim)`, one a feature.

    Output shape:
        As that of `interaction`.

    Raises:
        ValueError: If the rate is out of its range.
        TypeError: If the interaction is no layer.

    References:
        Volkovs, Yu and Poutanen, DropoutNet: addressing cold start in recommender systems,
        NIPS 2017.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.interactions.FieldDropout(0.1, rk.interactions.FactorizationMachine())
        >>> layer([tf.ones((2, 3)), tf.ones((2, 3))]).numpy().tolist()
        [[4.0], [4.0]]
    """

    def __init__(
        self, rate: float, interaction: tf.keras.layers.Layer | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        if not 0.0 <= rate < 1.0:
            raise invalid("rate", rate, "in [0, 1)")
        if interaction is not None and not isinstance(interaction, tf.keras.layers.Layer):
            raise wrong_type("interaction", interaction, "a tf.keras layer, or None")
        self.rate = float(rate)
        self.interaction = interaction
        # Of `(batch, 1)` for each vector: one number keeps or drops a whole row of it.
        self._drop = tf.keras.layers.Dropout(self.rate, dtype=self.dtype_policy)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        vectors = listed(inputs)
        if self.rate:
            ones = tf.ones_like(tf.stack([each[:, 0] for each in vectors], axis=1))
            kept = self._drop(ones, training=training)  # (batch, vectors)
            vectors = [each * kept[:, place, None] for place, each in enumerate(vectors)]
        if self.interaction is None:
            return tf.concat(vectors, axis=-1)
        return self.interaction(vectors)

    def call_parts(self, inputs: Any, kept: Kept) -> Any:
        if self.interaction is None:
            return Vector([part for vector in listed(inputs) for part in vector.parts])
        if knows_parts(self.interaction):
            return self.interaction.call_parts(inputs, kept)
        return self.interaction(kept.whole(listed(inputs)))

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shapes = listed(input_shape)
        if self.interaction is not None:
            return tf.TensorShape(self.interaction.compute_output_shape(shapes))
        return tf.TensorShape([shapes[0][0], sum(shape[-1] for shape in shapes)])

    def get_config(self) -> dict[str, Any]:
        inner = self.interaction
        inner = None if inner is None else tf.keras.saving.serialize_keras_object(inner)
        return {**super().get_config(), "rate": self.rate, "interaction": inner}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FieldDropout":
        inner = config["interaction"]
        inner = None if inner is None else tf.keras.saving.deserialize_keras_object(inner)
        return cls(**{**config, "interaction": inner})
