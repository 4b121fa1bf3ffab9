"""`additive_terms`: what each column adds to the score of a network with an `AdditiveHead`."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.core.features import check_features
from rankkit.core.keras_graph import call_of, is_symbolic, layer_of
from rankkit.data import batches
from rankkit.data.columns import as_columns, select_names
from rankkit.evaluation.baselines import unique_ids
from rankkit.layers import (
    AdditiveHead,
    BucketEmbedding,
    NormalizedNumber,
    NormalizedNumbers,
    PeriodicEmbedding,
    PiecewiseLinearEmbedding,
)
from rankkit.models.finite import FiniteNumbers, finite_features
from rankkit.models.network import feature_specs, select_features
from rankkit.utils.errors import wrong_type
from rankkit.utils.graph_errors import plain_errors

_BLOCKS = (NormalizedNumbers, PiecewiseLinearEmbedding, PeriodicEmbedding)
_NUMBERS = (NormalizedNumber, BucketEmbedding)


class AdditiveTerm(NamedTuple):
    """What a column adds to the score.

    Attributes:
        values: The values of the column in ascending order, with NaN last, `(rows,)`.
        contributions: What each value adds to the score, minus the mean over the rows, `(rows,)`.
        std: Standard deviation of the contributions: how much the column moves the score. If
            `additive_terms` was called with `query`, within queries.
    """

    values: np.ndarray
    contributions: np.ndarray
    std: float


def additive_terms(scorer: Any, rows: Any, *, query: str | None = None) -> dict[str, AdditiveTerm]:
    """Computes what each column adds to the score of a network with an `AdditiveHead`.

    The score of a row is a constant plus its contributions: they are the model itself, not an
    approximation of it. `rankkit.plots.additive_terms` plots them.

    Args:
        scorer: A `RankingModel` or a network whose head is a `rankkit.layers.AdditiveHead` on
            numbers: on layers such as `rankkit.layers.NormalizedNumbers` and `NormalizedNumber`,
            or several of them concatenated. Contributions of layers that read the same column are
            added.
        rows: Rows to compute the contributions for, such as the test rows, as a dict of arrays or a
            DataFrame.
        query: Column that identifies the query. Standard deviations are then those within queries:
            0 for a column with equal values for all rows of a query, which does not change their
            order, and which a listwise loss does not train. Defaults to `None`.

    Returns:
        Name of a column to its term, largest standard deviation first. Columns of a matrix have the
        names of `column_names` of its layer, or else those such as `features[3]`.

    Raises:
        TypeError: If the scorer is not such a network: if its score is not the output of an
            `AdditiveHead`, or that of a layer which is not one of numbers is among its inputs.
        ValueError: If a column is missing, or there are no rows.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> rows = {"features": np.array([[3.0, 10.0], [1.0, 30.0]], np.float32)}
        >>> layer = rk.layers.NormalizedNumbers.from_column(
        ...     rows["features"], column_names=["price", "age"]
        ... )
        >>> network = rk.ranking_network({"features": layer}, head=rk.layers.AdditiveHead())
        >>> terms = rk.evaluation.additive_terms(network, rows)
        >>> terms["price"].values
        array([1., 3.], dtype=float32)
    """
    network = getattr(scorer, "network", scorer)
    if not isinstance(network, tf.keras.Model):
        fix = "Pass the model itself, or load its .keras file."
        raise wrong_type("scorer", scorer, "a RankingModel or a network", fix)
    specs = feature_specs(network)
    head, joined = _head_and_input(network)
    inputs = _columns_of(network, joined)
    names = _names(inputs)
    table = as_columns(rows)
    check_features(specs, table)
    if query is not None:
        select_names([query], list(table))
    groups = None if query is None else unique_ids(query, table[query])[1]
    vectors = tf.keras.Model(network.input, joined)
    is_of = np.array([[each.key == key for key in names] for each in inputs], float)
    values, added = [], []
    with plain_errors():
        for chunk in batches(table, chunk_rows(network), columns=list(specs)):
            features = finite_features(network, select_features(chunk, specs))
            components = head.contributions(vectors(features, training=False)).numpy()
            added.append(components @ is_of)  # (rows, columns)
            values.append([_cells(features[source], column) for source, column in names])
    columns = zip(*values, strict=True)
    terms = {
        name: _term(np.concatenate(cells), each, groups)
        for name, cells, each in zip(names.values(), columns, np.concatenate(added).T, strict=True)
    }
    return dict(sorted(terms.items(), key=lambda item: -item[1].std))


def _cells(feature: tf.Tensor, column: int | None) -> np.ndarray:
    return feature.numpy() if column is None else feature.numpy()[:, column]


def _term(values: np.ndarray, added: np.ndarray, groups: np.ndarray | None) -> AdditiveTerm:
    added = added - added.mean()
    order, within = np.argsort(values, kind="stable"), added
    if groups is not None:
        within = added - (np.bincount(groups, added) / np.bincount(groups))[groups]
    return AdditiveTerm(values[order], added[order], float(np.sqrt(np.mean(within**2))))


def _head_and_input(network: tf.keras.Model) -> tuple[AdditiveHead, Any]:
    if isinstance(network.output, Mapping):
        fix = "Pass the scorer of one head: model.head('...')."
        raise _refusal(f"a network with the outputs {list(network.output)}", fix)
    call = call_of(network.output)
    if not isinstance(call.layer, AdditiveHead):
        fix = "Train a network with head=rankkit.layers.AdditiveHead()."
        raise _refusal(f"a network whose score is the output of {_shown(call.layer)}", fix)
    return call.layer, call.args[0]


class _Input(NamedTuple):
    """A component of the input of the head, and the column that it is computed from."""

    source: str  # name of the feature
    column: int | None  # of its matrix
    name: str

    @property
    def key(self) -> tuple[str, int | None]:
        return self.source, self.column


def _columns_of(network: tf.keras.Model, joined: Any) -> list[_Input]:
    """Returns the column that each component of the input of the head is computed from."""
    call = call_of(joined)
    is_joined = isinstance(call.layer, tf.keras.layers.Concatenate)
    names = {id(tensor): name for name, tensor in network.input.items()}
    found = []
    for vector in call.args[0] if is_joined else [joined]:
        vector = _unchecked(vector)
        layer, args, *_ = call_of(vector)
        raw = _unchecked(args[0]) if is_symbolic(args[0]) else vector
        is_number = raw.dtype.is_floating or isinstance(layer, _NUMBERS)
        is_block = isinstance(layer, _BLOCKS)
        if id(raw) not in names or not is_number or not (is_block or raw.shape.rank == 1):
            fix = "Use layers of numbers, such as NormalizedNumbers, or another head."
            raise _refusal(f"an AdditiveHead on the output of {_shown(layer)}", fix)
        source, dim = names[id(raw)], vector.shape[1]
        if not is_block:
            found += [_Input(source, None, source)] * dim
            continue
        labels = layer.column_names or [f"{source}[{i}]" for i in range(raw.shape[1])]
        for column, label in enumerate(labels):
            found += [_Input(source, column, label)] * (dim // len(labels))
    return found


def _unchecked(tensor: Any) -> Any:
    while isinstance(layer_of(tensor), FiniteNumbers):
        tensor = call_of(tensor).args[0]
    return tensor


def _names(inputs: list[_Input]) -> dict[tuple[str, int | None], str]:
    """Returns a name for each column, with that of the matrix if two have the same."""
    names = {each.key: each.name for each in reversed(inputs)}  # the first name counts
    names = {each.key: names[each.key] for each in inputs}
    repeated = {name for name, count in Counter(names.values()).items() if count > 1}
    return {
        key: f"{key[0]}[{name}]" if name in repeated and key[1] is not None else name
        for key, name in names.items()
    }


def _shown(layer: tf.keras.layers.Layer) -> str:
    return f"{type(layer).__name__} {layer.name!r}"


def _refusal(got: str, fix: str) -> TypeError:
    return TypeError(
        "Only the score of an AdditiveHead on numbers is a sum of what each column adds. "
        f"Got: {got}. {fix}"
    )
