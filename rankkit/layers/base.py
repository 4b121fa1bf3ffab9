"""Base classes of feature layers."""

import inspect
import reprlib
from typing import Any

import tensorflow as tf

from rankkit.core.precomputed import codes_for
from rankkit.utils.errors import check_integer
from rankkit.utils.system import check_table

_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = 4


class FeatureLayer(tf.keras.layers.Layer):
    """A raw value in, a vector out, in two steps.

    `encode` gives numbers that depend on the raw value alone, and `embed` makes the vector of
    them. So what is encoded ahead, such as an attribute that a network holds by id, is embedded
    as raw values are.
    """

    @property
    def feature_spec(self) -> Any:
        """Shape and dtype of the raw feature, or a tuple of them for several."""
        raise NotImplementedError

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the numbers that stand for raw values; no weight has a part in it.

        Args:
            inputs: Raw values, `(batch, ...)`.
        """
        raise NotImplementedError

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        """Gives the vectors of what `encode` gave, `(batch, width)`.

        Args:
            codes: Numbers from `encode`.
            training: Whether the layer is being trained. Defaults to `None`, Keras's own mode.
        """
        raise NotImplementedError

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        codes = codes_for(self)
        return self.embed(self.encode(inputs) if codes is None else codes, training=training)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.activity_regularizer is not None:
            regularizer = tf.keras.regularizers.serialize(self.activity_regularizer)
            config["activity_regularizer"] = regularizer
        return config

    def __repr__(self) -> str:
        config = self.get_config()
        told = {}
        for name, parameter in inspect.signature(type(self).__init__).parameters.items():
            if name in config and config[name] != parameter.default:
                told[name] = config[name]
        return f"{type(self).__name__}({', '.join(f'{k}={_shown(v)}' for k, v in told.items())})"


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) > _SHORT.maxlist:
        return f"{_SHORT.repr(list(value))[:-1]} {len(value):,} in all]"
    if isinstance(value, dict) and "class_name" in value:  # of Keras
        return value["class_name"]
    return _SHORT.repr(value)


class EmbeddingLayer(FeatureLayer):
    """A feature layer whose vectors are rows of a trained table.

    Args:
        num_rows: Rows of the table.
        embedding_dim: Width of the vectors, at least 1.
        embeddings_initializer: As in `tf.keras.layers.Embedding`.
        embeddings_regularizer: As in `tf.keras.layers.Embedding`.
        embeddings_constraint: As in `tf.keras.layers.Embedding`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`.

    Raises:
        ValueError: If the width is below 1, or the machine has no memory for the table.
    """

    def __init__(
        self,
        num_rows: int,
        embedding_dim: int,
        *,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_integer("embedding_dim", embedding_dim)
        self.embedding_dim = int(embedding_dim)
        check_table(self.name, num_rows, self.embedding_dim)
        self._embedding = tf.keras.layers.Embedding(
            num_rows,
            self.embedding_dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            embeddings_constraint=embeddings_constraint,
            dtype=self.dtype_policy,
            name="embedding",
        )

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self._embedding(codes)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape).concatenate(self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        table, keras = self._embedding, tf.keras
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "embeddings_initializer": keras.initializers.serialize(table.embeddings_initializer),
            "embeddings_regularizer": keras.regularizers.serialize(table.embeddings_regularizer),
            "embeddings_constraint": keras.constraints.serialize(table.embeddings_constraint),
        }
