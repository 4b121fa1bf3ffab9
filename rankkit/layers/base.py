"""Base classes of the feature layers."""

import inspect
import reprlib
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer, checked_keywords
from rankkit.core.precomputed import indices_for
from rankkit.layers._lookup import IdLookup
from rankkit.utils.errors import check_integer, invalid
from rankkit.utils.system import check_table_memory

_SHORT = reprlib.Repr()
_SHORT.maxlist = _SHORT.maxtuple = 4


class FeatureLayer(ArgumentsLayer):
    """A layer that turns the raw value of a feature into a vector, in two steps.

    `encode` turns raw values into numbers, such as indices of an embedding table, without use of a
    weight; `embed` turns those numbers into vectors. Since only `embed` is trained, `encode` can
    be precomputed: for rows in memory, and for the values that an `Attribute` holds.

    Constructors set `_spec` and `_dim`, and keep their arguments as attributes for `get_config`.
    """

    _spec: Any  # what `feature_spec` returns
    _dim: int  # dimension of the vectors
    # Whether `encode` of a list has one number for each member, whatever the others, and -1 for
    # padding, so that the members of lists can be encoded one by one. Not inherited with another
    # `encode`.
    encodes_members = False

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "encode" in vars(cls) and "encodes_members" not in vars(cls):
            cls.encodes_members = False
        for name, method in [*vars(cls).items()]:
            if isinstance(method, classmethod) and name in ("from_column", "from_columns"):
                setattr(cls, name, checked_keywords(method.__func__))

    def __init__(self, **kwargs: Any):
        # Keras would round raw numbers to half precision before `encode` sees them.
        super().__init__(**kwargs)
        if self.activity_regularizer and self.compute_dtype != self.variable_dtype:
            self.activity_regularizer = _InFullPrecision(self.activity_regularizer)

    @property
    def feature_spec(self) -> Any:
        """Shape and dtype of the raw feature, or a tuple of them if the layer reads several."""
        return self._spec

    def encode(self, inputs: Any) -> tf.Tensor:
        """Encodes raw values, `(batch, ...)`, as numbers; no weight is involved."""
        raise NotImplementedError

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        """Turns the output of `encode` into vectors, `(batch, dim)`."""
        raise NotImplementedError

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        indices = indices_for(self)
        return self.embed(self.encode(inputs) if indices is None else indices, training=training)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        spec, shape = self.feature_spec, input_shape
        if isinstance(spec, tuple):
            spec, shape = spec[0], shape[0]
        batch_rank = len(shape) - (spec.shape.rank - 1)
        return tf.TensorShape(shape)[:batch_rank].concatenate(self._dim)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.activity_regularizer is not None:
            regularizer = getattr(self.activity_regularizer, "given", self.activity_regularizer)
            config["activity_regularizer"] = tf.keras.regularizers.serialize(regularizer)
        return config

    def __repr__(self) -> str:
        config = self.get_config()
        parameters = inspect.signature(type(self).__init__).parameters.items()
        shown = [
            f"{name}={_shorten(config[name])}"
            for name, parameter in parameters
            if name in config and config[name] != parameter.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"


def check_inner(argument: str, layer: Any) -> None:
    """Raises if a layer that is part of another one penalizes its outputs: it is not called."""
    if layer.activity_regularizer is not None:
        fix = "Pass it to the outer layer, or use embeddings_regularizer."
        shown = type(getattr(layer.activity_regularizer, "given", layer.activity_regularizer))
        expected = "None inside another layer"
        raise invalid(f"the activity_regularizer of {argument}", shown.__name__, expected, fix)


class _InFullPrecision:
    """A regularizer of half-precision vectors, whose squares over a batch would overflow."""

    def __init__(self, given: Any):
        self.given = given

    def __call__(self, vectors: tf.Tensor) -> tf.Tensor:
        return self.given(tf.cast(vectors, tf.float32))


def _shorten(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):  # serialized layers
        return f"[{', '.join(map(_shorten, value))}]"
    if isinstance(value, list | tuple) and len(value) > _SHORT.maxlist:
        return f"{_SHORT.repr(list(value))} ({len(value):,} values)"
    if isinstance(value, dict) and "class_name" in value:  # a serialized Keras object
        return repr(value["config"]) if value["class_name"] == "function" else value["class_name"]
    return _SHORT.repr(list(value) if isinstance(value, list) else value)  # Keras wraps lists


class VocabularyLayer(FeatureLayer):
    """A feature layer with a `vocabulary`, which its constructor keeps as `self._lookup`."""

    _lookup: IdLookup

    @property
    def vocabulary(self) -> list:
        """The known values, in the order of their indices."""
        return self._lookup.ids.tolist()

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs: known values and an out-of-vocabulary one."""
        return [*self._lookup.sample(count - 1), self._lookup.unknown_id()]


class EmbeddingLayer(FeatureLayer):
    """A feature layer whose vectors are rows of a Keras `Embedding`, which must fit into memory."""

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
        self.embedding_dim = self._dim = check_integer("embedding_dim", embedding_dim)
        check_table_memory(self.name, num_rows, self.embedding_dim)
        self.embeddings_initializer = tf.keras.initializers.get(embeddings_initializer)
        self.embeddings_regularizer = tf.keras.regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = tf.keras.constraints.get(embeddings_constraint)
        self._embedding = tf.keras.layers.Embedding(
            num_rows,
            self.embedding_dim,
            embeddings_initializer=self.embeddings_initializer,
            embeddings_regularizer=self.embeddings_regularizer,
            embeddings_constraint=self.embeddings_constraint,
            dtype=self.dtype_policy,
            name="embedding",
        )
        self._check_matrix(getattr(self.embeddings_initializer, "value", 0.0))

    @property
    def num_embeddings(self) -> int:
        """Number of rows of the embedding table."""
        return self._embedding.input_dim

    def _check_matrix(self, value: Any) -> None:
        """Raises unless the value of a constant initializer fits; Keras would reshape a matrix."""
        table = self._embedding.input_dim, self._embedding.output_dim
        if np.shape(value) not in ((), table) or not np.all(np.isfinite(value)):
            raise ValueError(
                "The matrix of embeddings_initializer must have one row for each row of the table, "
                f"those of out-of-vocabulary ids first, and finite numbers: {table[0]} rows of "
                f"{table[1]} numbers. Got: the shape {np.shape(value)}."
            )

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return self._embedding(codes)
