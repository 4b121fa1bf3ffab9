"""Candidates whose side of the network is precomputed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.core.columns import to_tensor
from rankkit.models.heads import score_of
from rankkit.models.network import feature_specs
from rankkit.ranking.graph import meeting_function, network_of, registering_function
from rankkit.ranking.queries import Columns, candidate_columns
from rankkit.ranking.scoring import finite
from rankkit.training.model import value_errors
from rankkit.utils.errors import invalid, wrong_type
from rankkit.utils.tensorflow import sample_of


class Registered:
    """Candidates that a scorer knows already.

    Attributes:
        columns: Their columns, name to values.
    """

    columns: Columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def check(self, scorer: Any) -> None:
        """Refuses a scorer that they were not registered for.

        Raises:
            ValueError: If it is another.
        """
        raise NotImplementedError

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        """Gives their scores for a query, `(candidates,)`.

        Args:
            query: The query's features, each of one row.
            best: So many of the best scores have to be right; others may be `-inf`.
        """
        raise NotImplementedError


class CandidateIndex(Registered):
    """Candidates that are registered with a model, to be ranked for many queries.

    All that depends on the candidates alone is computed once and kept: their ids looked up, their
    vectors, and their part of the first dense layer. A query is then ranked by
    `rankkit.rank(model, query, pool)`, in less time and with the same scores.

    When the model has been trained on since, all is computed anew at the next query. This is told
    by a sample of 64 candidates, computed for each query: whoever assigns single weights by hand
    calls `refresh`.

    Args:
        model: A `RankingModel`, a head of one, or a network.
        candidates: Column name to values, one a candidate, or a DataFrame. Columns that are no
            features are carried along; the features that are no columns are the query's.

    Raises:
        TypeError: If the model is no network of rankkit, or a value is of the wrong kind.
        ValueError: If there is no candidate, lengths differ, or no column is a feature.

    Example:
        >>> import rankkit as rk
        >>> features = {
        ...     "user_id": rk.layers.IdEmbedding(["7", "42"], 8),
        ...     "movie_title": rk.layers.IdEmbedding(["Heat", "Clue"], 8),
        ... }
        >>> network = rk.models.tower(features, hidden_units=[16])
        >>> pool = rk.CandidateIndex(network, {"movie_title": ["Heat", "Clue", "Speed"]})
        >>> len(pool), len(rk.rank(network, {"user_id": "42"}, pool, k=2))
        (3, 2)
    """

    def __init__(self, model: Any, candidates: Any):
        network = network_of(model)
        if network is None:
            fix = "Rank with the candidates' columns instead."
            raise wrong_type("model", model, "a RankingModel, a head of one, or a network", fix)
        # Of several outputs the score alone, so that nothing is kept for the others.
        self._network = tf.keras.Model(network.input, score_of(network.output))
        self.columns = registrable(candidates, feature_specs(network))
        self._query = [name for name in feature_specs(network) if name not in self.columns]
        # Computed anew for each query, to tell whether the weights have changed.
        self._sample = feature_tensors(network, self.columns, sample_of(len(self)))
        self.refresh()

    def __repr__(self) -> str:
        return f"CandidateIndex({len(self):,} candidates of {', '.join(map(repr, self.columns))})"

    def refresh(self) -> None:
        """Computes all that is kept anew, by the weights that the model has now."""
        with value_errors():
            self._meet = meeting_function(self._network, self._query)
            register = registering_function(self._network, self._query)
            self._kept_of_sample = register(**self._sample)
        self._kept = registered_chunks(self._network, self.columns)

    def check(self, scorer: Any) -> None:
        network = network_of(scorer)
        if network is None or score_of(network.output) is not self._network.output:
            fix = "Register them with the model that ranks them."
            raise invalid("candidates", self, "registered with the scorer", fix)

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        scores, is_old = self._scores(query)
        if is_old:
            self.refresh()
            scores, _ = self._scores(query)
        return finite(scores)

    def _scores(self, query: Mapping[str, tf.Tensor]) -> tuple[np.ndarray, bool]:
        """The scores, and whether what is kept is of other weights."""
        with value_errors():
            found = [
                self._meet(dict(query), kept, self._sample, self._kept_of_sample)
                for kept in self._kept
            ]
        scores = np.concatenate([scores.numpy()[:, 0] for scores, _ in found])
        return scores, any(is_old for _, is_old in found)


def registrable(candidates: Any, specs: Mapping[str, tf.TensorSpec]) -> Columns:
    """Gives candidates as columns, and refuses those that a network cannot be told ahead.

    Args:
        candidates: Column name to values, one a candidate, or a DataFrame.
        specs: What the network takes.

    Raises:
        ValueError: If there is no candidate, lengths differ, or no column is a feature.
        TypeError: If they are no columns.
    """
    columns = candidate_columns(candidates)
    if not len(next(iter(columns.values()))):
        raise invalid("candidates", columns, "at least one, to be registered")
    if not set(columns) & set(specs):
        fix = "Such a column depends on the candidate: rename it to that of the feature."
        expected = f"of at least one feature of {sorted(specs)}"
        raise invalid("columns of the candidates", list(columns), expected, fix)
    return columns


def registered_chunks(network: tf.keras.Model, columns: Columns) -> list[list[tf.Tensor]]:
    """Computes all that depends on candidates alone.

    Args:
        network: A network. What is kept is for all its outputs.
        columns: The candidates, from `registrable`.

    Returns:
        Chunks of rows, each a list of tensors `(rows, ...)`.
    """
    query = [name for name in feature_specs(network) if name not in columns]
    register = registering_function(network, query)
    rows, size = range(len(next(iter(columns.values())))), chunk_rows(network)
    features = feature_tensors(network, columns, rows)
    with value_errors():
        return [
            register(**{name: column[start : start + size] for name, column in features.items()})
            for start in rows[::size]
        ]


def feature_tensors(
    network: tf.keras.Model, columns: Columns, rows: Sequence[int]
) -> dict[str, tf.Tensor]:
    """Gives the features of some candidates as tensors.

    Args:
        network: A network.
        columns: The candidates' columns.
        rows: Which of them.

    Raises:
        TypeError: If values are of the wrong kind for their feature.
    """
    return {
        name: to_tensor(name, [columns[name][row] for row in rows], spec)
        for name, spec in feature_specs(network).items()
        if name in columns
    }
