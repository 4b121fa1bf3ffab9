"""Candidate index: candidates with precomputed item-side activations."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.core.columns import take, to_tensor
from rankkit.core.list_context import check_independent_rows
from rankkit.models.heads import score_of
from rankkit.models.network import feature_specs
from rankkit.ranking.graph import get_network, make_activations_function, make_indexed_function
from rankkit.ranking.queries import Columns, candidate_columns, num_rows
from rankkit.ranking.scoring import check_finite_scores
from rankkit.utils.errors import invalid, wrong_type
from rankkit.utils.graph_errors import plain_errors
from rankkit.utils.tensorflow import sample_indices


class PrecomputedCandidates:
    """Candidates whose side of a scorer is precomputed, with their `columns`."""

    columns: Columns

    def __len__(self) -> int:
        return num_rows(self.columns)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.columns))
        return f"{type(self).__name__}({len(self):,} candidates with columns {names})"

    def check(self, scorer: Any) -> None:
        """Checks that the candidates were precomputed for this scorer."""
        raise NotImplementedError

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        """Returns the scores for one query, `(candidates,)`; below the `best` may be `-inf`."""
        raise NotImplementedError


class CandidateIndex(PrecomputedCandidates):
    """Candidates with the item side of a model precomputed, to rank them for many queries.

    The vocabulary lookups, the embeddings and the part of the first dense layer that depend on
    the candidates alone are computed once and cached. `rankkit.rank(model, query, index)` then
    returns the same scores in less time. Choose it when the same candidates are ranked again and
    again, and columns when they change from query to query.

    After further training, the cache is computed again at the next query. To notice it, each
    query compares 64 candidates with their cached activations. If single embeddings are assigned
    by hand, call `refresh`.

    Args:
        model: A `RankingModel`, a head of one, or a network.
        candidates: Column name to values, one per candidate, or a DataFrame. Columns that are not
            features are returned with the candidates. The other features belong to the query.

    Raises:
        TypeError: If the model is not a network of rankkit, or a value has the wrong type.
        ValueError: If there are no candidates, column lengths differ, or no column is a feature.

    Example:
        >>> import rankkit as rk
        >>> features = {
        ...     "user_id": rk.layers.IdEmbedding(["7", "42"], 8),
        ...     "movie_title": rk.layers.IdEmbedding(["Heat", "Clue"], 8),
        ... }
        >>> network = rk.models.tower(features, hidden_units=[16])
        >>> index = rk.CandidateIndex(network, {"movie_title": ["Heat", "Clue", "Speed"]})
        >>> len(index), len(rk.rank(network, {"user_id": "42"}, index, k=2))
        (3, 2)
    """

    def __init__(self, model: Any, candidates: Any):
        fix = "Rank with the candidates' columns instead."
        check_independent_rows(model, "A candidate index", fix)
        network = get_network(model)
        if network is None:
            raise wrong_type("model", model, "a RankingModel, a head of one, or a network", fix)
        # With several heads, only the activations that the score needs are cached.
        self._network = tf.keras.Model(network.input, score_of(network.output))
        columns = indexable_columns(candidates, feature_specs(network))
        self.columns = {name: copy.copy(cells) for name, cells in columns.items()}
        self._query = [name for name in feature_specs(network) if name not in self.columns]
        self._sample = candidate_features(
            network, self.columns, np.array(sample_indices(len(self)))
        )
        self.refresh()

    def refresh(self) -> None:
        """Computes the cache again, with the current weights of the model."""
        with plain_errors():
            self._score = make_indexed_function(self._network, self._query)
            activations = make_activations_function(self._network, self._query)
            of_sample = activations(**self._sample)
        # Assigned together, so that no other thread takes old activations for current ones.
        self._cache = compute_activations(self._network, self.columns), of_sample

    def check(self, scorer: Any) -> None:
        network = get_network(scorer)
        if network is None or score_of(network.output) is not self._network.output:
            fix = "Build the index with the model that ranks the candidates."
            raise invalid("candidates", self, "an index of this scorer", fix)

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        scores, is_outdated = self._compute_scores(query)
        if is_outdated:
            self.refresh()
            scores, _ = self._compute_scores(query)
        return check_finite_scores(scores)

    def _compute_scores(self, query: Mapping[str, tf.Tensor]) -> tuple[np.ndarray, bool]:
        """Returns the scores, and whether the weights have changed since they were cached."""
        cached, of_sample = self._cache
        with plain_errors():
            chunks = [
                self._score(dict(query), activations, self._sample, of_sample)
                for activations in cached
            ]
        scores = np.concatenate([scores.numpy()[:, 0] for scores, _ in chunks])
        return scores, any(is_outdated for _, is_outdated in chunks)


def indexable_columns(candidates: Any, specs: Mapping[str, tf.TensorSpec]) -> Columns:
    """Returns candidates as columns, at least one of them a feature and with at least one row."""
    columns = candidate_columns(candidates)
    if num_rows(columns) == 0:
        raise ValueError("candidates must have at least one row for an index. Got: no rows.")
    if not set(columns) & set(specs):
        raise ValueError(
            f"At least one column of the candidates must be a feature of {sorted(specs)}. "
            f"Got: {list(columns)}. Rename the column to the name of its feature."
        )
    return columns


def compute_activations(network: tf.keras.Model, columns: Columns) -> list[list[tf.Tensor]]:
    """Computes the item-side activations `(rows, ...)` for all outputs, in chunks of rows."""
    query = [name for name in feature_specs(network) if name not in columns]
    activations = make_activations_function(network, query)
    rows, size = range(num_rows(columns)), chunk_rows(network)
    features = candidate_features(network, columns, rows)
    with plain_errors():
        return [
            activations(**{name: value[start : start + size] for name, value in features.items()})
            for start in rows[::size]
        ]


def candidate_features(
    network: tf.keras.Model, columns: Columns, rows: range | np.ndarray
) -> dict[str, tf.Tensor]:
    """Converts the columns that are features to tensors, at some rows."""
    return {
        name: to_tensor(name, take(columns[name], rows), spec)
        for name, spec in feature_specs(network).items()
        if name in columns
    }
