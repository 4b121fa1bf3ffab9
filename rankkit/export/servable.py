"""Signatures of an exported SavedModel."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.columns import to_tensor
from rankkit.core.partial import Kept, of_equal_length, repeated
from rankkit.models.heads import named_outputs, score_name
from rankkit.ranking.candidates import registered_chunks
from rankkit.ranking.graph import CANDIDATES, QUERY, outputs_in_parts
from rankkit.ranking.queries import Columns
from rankkit.utils.tensorflow import has_own_layers

_KINDS = {str: tf.string, int: tf.int64, float: tf.float64, bool: tf.bool}


class Servable(tf.Module):
    """A network as it is served.

    Args:
        network: The network.
        specs: What it takes.
        sample: Rows that it is checked on.
        candidates: Columns of the candidates that are registered, or `None`.
    """

    def __init__(
        self,
        network: tf.keras.Model,
        specs: dict[str, tf.TensorSpec],
        sample: dict[str, tf.Tensor],
        candidates: Columns | None,
    ):
        super().__init__(name="ranker")
        self._specs = specs
        self._weights = network.variables
        # The network itself stays out: Keras would save a trace of each of its layers.
        self._tables = [
            part
            for part in tf.train.TrackableView(network).descendants()
            if isinstance(part, tf.lookup.StaticHashTable)
        ]
        self._autograph = has_own_layers(network)
        self.__call__ = tf.function(
            lambda features: network(features), input_signature=[specs], autograph=self._autograph
        )
        # The rows it was checked on travel with it, for whoever converts it further.
        self.sample = tf.function(lambda: sample, input_signature=[], autograph=False)
        self._in_parts = lambda *arguments: outputs_in_parts(network, *arguments)
        self.candidates = None
        if candidates is not None:
            chunks = registered_chunks(network, candidates)
            self._kept = [
                tf.Variable(tf.concat(parts, axis=0), trainable=False)
                for parts in zip(*chunks, strict=True)
            ]
            self.candidates = {
                name: tf.Variable(_as_tensor(name, values, specs), trainable=False)
                for name, values in candidates.items()
            }

    def signatures(self) -> dict[str, Any]:
        """Gives the signatures by name."""
        k = tf.TensorSpec((), tf.int32, "k")
        given = self.candidates or {}
        query = {name: spec for name, spec in self._specs.items() if name not in given}
        functions = {"serving_default": (self._rate, self._specs)}
        functions["rank"] = (self._rank, {"k": k, **self._specs})
        if self.candidates is not None:
            functions["rank_indexed"] = (self._rank_registered, {"k": k, **query})
        return {
            name: tf.function(function, autograph=self._autograph).get_concrete_function(**specs)
            for name, (function, specs) in functions.items()
        }

    def _rate(self, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        return named_outputs(self.__call__(columns))

    def _rank(self, k: tf.Tensor, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        # Which columns are the query's is told by their length, so that each is a side of its own.
        outputs = named_outputs(self._in_parts(columns, {name: name for name in columns}))
        rows = tf.shape(of_equal_length(list(columns.values()))[0])[0]
        outputs = {name: repeated(output, rows) for name, output in outputs.items()}
        return _best(k, outputs, {name: repeated(each, rows) for name, each in columns.items()})

    def _rank_registered(self, k: tf.Tensor, **query: tf.Tensor) -> dict[str, tf.Tensor]:
        assert self.candidates is not None
        sides = {name: QUERY if name in query else CANDIDATES for name in self._specs}
        kept = Kept(CANDIDATES, [tf.convert_to_tensor(each) for each in self._kept])
        outputs = named_outputs(self._in_parts(query, sides, kept))
        return _best(k, outputs, self.candidates)


def _best(
    k: tf.Tensor, outputs: dict[str, tf.Tensor], columns: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """The best rows by their score: what the network gives for them, their places and columns."""
    tf.debugging.assert_positive(k, "k must be an integer of at least 1.")
    name = score_name(outputs)
    scores = tf.squeeze(outputs.pop(name), axis=1)  # (rows,)
    # NaN would leave no order at all: it comes last. Of equal scores, top_k puts the first ahead.
    known = tf.where(tf.math.is_nan(scores), scores.dtype.min, scores)
    index = tf.math.top_k(known, tf.minimum(k, tf.size(scores))).indices
    best = {name: tf.gather(each, index) for name, each in {**columns, **outputs}.items()}
    return {name: tf.gather(scores, index), "index": index, **best}


def _as_tensor(name: str, values: list, specs: Mapping[str, tf.TensorSpec]) -> tf.Tensor:
    """A column of candidates, which need not be a feature, as a tensor."""
    kinds = {type(value) for value in values}
    kind = kinds.pop() if len(kinds) == 1 else None
    carried = tf.TensorSpec((None,), _KINDS[kind]) if kind in _KINDS else None
    return to_tensor(name, values, specs.get(name, carried))
