"""Signatures of an exported SavedModel."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_list, to_tensor
from rankkit.core.features import check_width
from rankkit.core.list_context import compares_rows
from rankkit.core.partial import ActivationCache, repeated
from rankkit.core.precision import to_int64
from rankkit.core.timestamps import as_seconds
from rankkit.models.finite import finite_features
from rankkit.models.heads import named_outputs
from rankkit.ranking.candidates import compute_activations
from rankkit.ranking.graph import CANDIDATES, QUERY, evaluate_factored
from rankkit.ranking.queries import Columns
from rankkit.utils.graph_errors import assert_in_graph
from rankkit.utils.score import score_name
from rankkit.utils.tensorflow import has_user_layers

_DTYPES = {str: tf.string, int: tf.int64, float: tf.float64, bool: tf.bool}


class Servable(tf.Module):
    """A network as a SavedModel holds it.

    Attributes:
        sample: Returns the rows that the export was checked on; `to_tflite` checks on them, too.
        candidates: Columns of the candidate index as variables, or `None`.
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
        # The network itself is not tracked: Keras would save a trace of each of its layers.
        self._tables = [
            part
            for part in tf.train.TrackableView(network).descendants()
            if isinstance(part, tf.lookup.StaticHashTable)
        ]
        self._autograph = has_user_layers(network)
        if compares_rows(network):
            self.compares_rows = tf.Variable(True, trainable=False)  # read after loading
        self._score = self._trace(
            lambda **columns: named_outputs(
                network(finite_features(network, self._with_rows(columns)[0]))
            ),
            specs,
        )
        # TensorFlow traces `__call__` again when it is saved: the network must not be.
        self.__call__ = tf.function(
            lambda features: tf.nest.pack_sequence_as(
                network.output, tf.nest.flatten(self._score(**features))
            ),
            input_signature=[specs],
            autograph=False,
        )
        self.sample = tf.function(lambda: sample, input_signature=[], autograph=False)
        self._evaluate_factored = lambda *arguments: evaluate_factored(network, *arguments)
        self.candidates = None
        if candidates is not None:
            chunks = compute_activations(network, candidates)
            self._activations = [
                tf.Variable(tf.concat(parts, axis=0), trainable=False)
                for parts in zip(*chunks, strict=True)
            ]
            self.candidates = {
                name: tf.Variable(_candidate_tensor(name, values, specs), trainable=False)
                for name, values in candidates.items()
            }

    def signatures(self) -> dict[str, Any]:
        """Traces the signatures; returns them by name."""
        k = tf.TensorSpec((), tf.int32, "k")
        signatures = {"serving_default": self._score}
        signatures["rank"] = self._trace(self._rank, {"k": k, **self._specs})
        if self.candidates is not None:
            query = {n: spec for n, spec in self._specs.items() if n not in self.candidates}
            signatures["rank_indexed"] = self._trace(self._rank_indexed, {"k": k, **query})
        return signatures

    def _trace(self, function: Any, specs: dict[str, tf.TensorSpec]) -> Any:
        """Traces a function of named columns."""
        return tf.function(function, autograph=self._autograph).get_concrete_function(**specs)

    def _rank(self, k: tf.Tensor, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        columns, rows = self._with_rows(columns, query=columns)
        # Which columns belong to the query and have one row is not known yet: each is its own side.
        outputs = named_outputs(self._evaluate_factored(columns, {name: name for name in columns}))
        outputs = {name: repeated(output, rows) for name, output in outputs.items()}
        return _top_k(k, outputs, columns)

    def _rank_indexed(self, k: tf.Tensor, **query: tf.Tensor) -> dict[str, tf.Tensor]:
        assert self.candidates is not None
        # A query with as many rows as candidates would be paired with them row by row.
        query, _ = self._with_rows(query, query=query, rows=1)
        sides = {name: QUERY if name in query else CANDIDATES for name in self._specs}
        activations = ActivationCache(
            CANDIDATES, [tf.convert_to_tensor(each) for each in self._activations]
        )
        outputs = named_outputs(self._evaluate_factored(query, sides, activations))
        return _top_k(k, outputs, self.candidates)

    def _with_rows(
        self, columns: Mapping[str, tf.Tensor], query: Collection[str] = (), rows: Any = None
    ) -> tuple[dict[str, tf.Tensor], Any]:
        """Returns columns after a check of their shapes, and the number of rows.

        The columns of a `query` may have one row.
        """
        if not columns:
            return {}, rows
        # TensorFlow passes on shapes that differ from the signature.
        checks = [check_width(name, each, self._specs[name]) for name, each in columns.items()]
        lengths = tf.stack([tf.shape(column)[0] for column in columns.values()])
        others = tf.boolean_mask(lengths, lengths != 1) if query else lengths
        allowed = (
            "one row" if rows == 1 else "equal lengths, or one row" if query else "equal lengths"
        )
        names = ", ".join(columns)
        message = f"The columns {names} must have {allowed}. Pass one value per row. Got lengths:"
        rows = tf.concat([others, lengths], axis=0)[0] if rows is None else rows
        all_fit = tf.reduce_all(others == rows)
        checks.append(tf.debugging.Assert(all_fit, [message, lengths], len(columns)))
        with tf.control_dependencies(checks):
            return {name: tf.identity(column) for name, column in columns.items()}, rows


def _top_k(
    k: tf.Tensor, outputs: dict[str, tf.Tensor], columns: Mapping[str, Any]
) -> dict[str, tf.Tensor]:
    """Returns the outputs, the index and the columns of the `k` rows of the highest score."""
    assert_in_graph(k > 0, "k must be an integer of at least 1. Got: ", k, ".")
    name = score_name(outputs)
    scores = tf.squeeze(outputs.pop(name), axis=1)  # (rows,)
    # NaN has no order: it comes last. Among equal scores, top_k puts the lower index first.
    ordered = tf.where(tf.math.is_nan(scores), scores.dtype.min, scores)
    index = tf.math.top_k(ordered, tf.minimum(k, tf.size(scores))).indices
    # A column of one row is not repeated for all rows first: a history may have many values.
    best = {
        name: tf.gather(each, index * tf.cast(tf.shape(each)[0] != 1, index.dtype))
        for name, each in {**columns, **outputs}.items()
    }
    return {name: tf.gather(scores, index), "index": index, **best}


def _candidate_tensor(name: str, values: Any, specs: Mapping[str, tf.TensorSpec]) -> tf.Tensor:
    """Converts a column of candidates, which may not be a feature, to a tensor."""
    values = as_seconds(name, values) if isinstance(values, np.ndarray) else as_list(values, name)
    if isinstance(values, np.ndarray) and name not in specs:
        tensor = tf.constant(values)
        return to_int64(name, tensor) if tensor.dtype.is_integer else tensor
    types = {type(value) for value in values}
    dtype = _DTYPES.get(types.pop()) if len(types) == 1 else None
    inferred = None if dtype is None else tf.TensorSpec((None,), dtype)
    return to_tensor(name, values, specs.get(name, inferred))
