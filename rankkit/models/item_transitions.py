"""Scores of items by the transitions from the items of a history: a baseline without training."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from scipy import sparse

from rankkit.core.arrays import decode
from rankkit.core.columns import as_text, is_column
from rankkit.core.features import list_error, padding_of
from rankkit.core.vocabulary import check_vocabulary, distinct_ids, plain_ids
from rankkit.data.columns import as_columns, check_keys, factorize
from rankkit.data.splits import sortable_times
from rankkit.layers import TransitionScore
from rankkit.models.network import ranking_network, select_features
from rankkit.utils.errors import check_integer, check_number, check_text, invalid, wrong_type
from rankkit.utils.graph_errors import plain_errors

_MAX_PAIRS = 1 << 24  # of items, collected before they are summed
_MAX_SCORES = 1 << 22  # held in memory at a time, for rows with different histories


class ItemTransitions:
    """Scores items by how often they followed the items of a history: no training, no vectors.

    With `C[i, j]` the sum of `gap_decay**(gap - 1)` over all pairs of training events of a user in
    which item `j` comes `gap` events after item `i`, an item `j` has the score

    `sum over the history of decay**distance * C[i, j] / count(i)**power`

    where `distance` is 0 for the most recent item `i` and `count(i)` is its number of training
    events. It is a baseline that a sequence network should beat; on short histories of purchases,
    several published ones do not. It is a scorer for `rankkit.rank` and the functions of
    `rankkit.evaluation`, with a list of past items in the query and an item in each candidate.

    Ids that are not in the training rows are ignored in histories, as if they were not there, and
    have the score 0 as candidates, as has every item for an empty history. The best settings
    differ between data sets, most of all `gap_decay`: choose them on validation events.

    Args:
        rows: The training interactions: a dict of arrays or lists, a DataFrame or an Arrow table.
        user: Column of the user. Defaults to `"user_id"`.
        item: Column of the item, and the name of the candidate column. Defaults to `"item_id"`.
        timestamp: Column of timestamps, numbers or `datetime64`. Rows of a user with equal
            timestamps are ordered as they come. `None` if all rows are in the order of time.
            Defaults to `"timestamp"`.
        history: Name of the query column with the list of past items, the most recent one last.
            Defaults to `None`: `"history_"` and `item`.
        decay: Weight of an item of the history relative to the next more recent one, in [0, 1].
            Defaults to `0.6`.
        gap_decay: Weight of a pair relative to one with a gap that is smaller by 1, in [0, 1].
            Defaults to `0.95`.
        power: Exponent of `count(i)`, which weights frequent items of a history down; 0 does not.
            Defaults to `0.5`.
        max_gap: Largest gap of a pair that counts. Time and memory grow with it. Defaults to
            `50`.

    Attributes:
        items: The distinct items of the training rows, sorted.
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.

    Raises:
        TypeError: If an id is missing or neither text nor an integer, or timestamps are not
            sortable.
        ValueError: If there are no rows, a column is unknown, a timestamp is missing, a number is
            out of range, or an id is `""` or -1, which pad histories.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [1, 1, 2, 2, 2], "item_id": ["a", "b", "a", "c", "b"]}
        >>> transitions = rk.models.ItemTransitions(rows, timestamp=None, gap_decay=0.5, power=0.0)
        >>> rk.rank(transitions, {"history_item_id": ["a"]}, {"item_id": ["b", "c", "new"]})
        [('b', 1.5), ('c', 1.0), ('new', 0.0)]
        >>> transitions.score_items([["a"], ["c", "unknown"]], ["b", "c"])
        array([[1.5, 1. ],
               [1. , 0. ]], dtype=float32)
    """

    def __init__(
        self,
        rows: Any,
        *,
        user: str = "user_id",
        item: str = "item_id",
        timestamp: str | None = "timestamp",
        history: str | None = None,
        decay: float = 0.6,
        gap_decay: float = 0.95,
        power: float = 0.5,
        max_gap: int = 50,
    ):
        self.decay = check_number("decay", decay, "a number in [0, 1]", least=0, most=1)
        gap_decay = check_number("gap_decay", gap_decay, "a number in [0, 1]", least=0, most=1)
        check_number("power", power, "a finite number of at least 0", least=0)
        check_integer("max_gap", max_gap)
        names = [user, item] if timestamp is None else [user, item, timestamp]
        columns = as_columns(rows, names)
        check_keys(columns, user, item)
        self.score_kind = "order"
        history = f"history_{item}" if history is None else check_text("history", history)
        self.item, self.history = item, history
        if history == item:
            raise invalid("history", history, "another name than that of the candidate column")
        ids = as_text(item, columns[item])
        self.items = distinct_ids(ids, name=f"column {item!r}")
        self._index = {each: index for index, each in enumerate(self.items)}
        dtype = tf.string if isinstance(self.items[0], str) else tf.int64
        if (padding := padding_of(dtype)) in self._index:
            fix = "Drop those rows, or replace it."
            expected = f"different from {padding!r}, which pads histories"
            raise invalid(f"each id in column {item!r}", padding, expected, fix)
        self.feature_specs = {
            history: tf.TensorSpec((None, None), dtype),
            item: tf.TensorSpec((None,), dtype),
        }
        users, _ = factorize(as_text(user, columns[user]).tolist())
        keys = [users]
        if timestamp is not None:
            keys.insert(0, sortable_times(timestamp, columns[timestamp]))
        order = np.lexsort(keys)
        indices = self._indices(ids.tolist())
        counts = _count_pairs(users[order], indices[order], len(self.items), gap_decay, max_gap)
        weights = np.bincount(indices).astype(float) ** -power
        counts.data *= np.repeat(weights, np.diff(counts.indptr)).astype(np.float32)
        self._transitions = counts  # (items, items), C[i, j] / count(i)**power

    def score_items(
        self, histories: Sequence[Any], items: Sequence[Any] | None = None
    ) -> np.ndarray:
        """Scores the same items for several histories.

        Args:
            histories: A list of the past items of each user, the most recent one last.
            items: The items to score, each once. Defaults to `None`: the attribute `items`.

        Returns:
            The scores, `(histories, items)`.

        Raises:
            TypeError: If a history is not a list, or an id is of another type than in training.
        """
        if isinstance(histories, Mapping) or not is_column(histories):
            fix = "Pass a list of lists, one per user."
            raise wrong_type("histories", histories, "a list of histories", fix)
        for row, each in enumerate(histories):
            if not is_column(each):
                raise list_error(f"histories[{row}]", each, "a list of past items")
        lists = [
            each.tolist() if isinstance(each, np.ndarray) else list(each) for each in histories
        ]
        scores = self._scores(lists)
        if items is None:
            return scores
        chosen = self._indices(check_vocabulary("items", items), "items")
        scores = np.take(scores, chosen, axis=1)
        scores[:, chosen < 0] = 0
        return scores

    def network(self, num_followers: int = 100, *, max_length: int = 50) -> tf.keras.Model:
        """Makes a network with these scores, to be exported, or summed with those of others.

        Args:
            num_followers: Number of items that are kept for each item of a history: those with the
                largest `C[i, j]`. Others add nothing to a score. Defaults to `100`.
            max_length: Number of known items of a history that are read: the last ones. Defaults to
                `50`.

        Returns:
            A network of a `rankkit.layers.TransitionScore`, with the output `(batch, 1)`.

        Example:
            >>> import rankkit as rk
            >>> rows = {"user_id": [1, 1, 2, 2, 2], "item_id": ["a", "b", "a", "c", "b"]}
            >>> network = rk.models.ItemTransitions(rows, timestamp=None).network()
            >>> sorted(network.input)
            ['history_item_id', 'item_id']
        """
        longest = int(np.diff(self._transitions.indptr).max())
        num_followers = max(1, min(check_integer("num_followers", num_followers), longest))
        layer = TransitionScore(self.items, num_followers, decay=self.decay, max_length=max_length)
        features = {"transitions": ([self.history, self.item], layer)}
        network = ranking_network(
            features, interaction=lambda scores: scores[0], name="item_transitions"
        )
        layer.set_weights(_top_followers(self._transitions, num_followers))
        return network

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Returns the scores `(rows,)` of columns of histories and items."""
        with plain_errors():
            features = select_features(columns, self.feature_specs)
        histories, items = features[self.history], features[self.item].numpy()
        if not len(items):
            return np.zeros(0, np.float32)
        # `rank` repeats the history of a query in each row.
        is_new = tf.reduce_any(histories[1:] != histories[:-1], axis=1)
        is_new = np.concatenate([[True], is_new.numpy()])
        lists = histories.numpy()[is_new].tolist()
        candidates = self._indices(items.tolist())
        row = np.cumsum(is_new) - 1
        scores = np.zeros(len(row), np.float32)
        size = max(1, _MAX_SCORES // len(self.items))
        for start in range(0, len(lists), size):
            part = slice(*np.searchsorted(row, [start, start + size]))
            of_history = self._scores(lists[start : start + size])
            scores[part] = of_history[row[part] - start, candidates[part]]
        return np.where(candidates < 0, np.float32(0), scores)

    def _scores(self, histories: list[list[Any]]) -> np.ndarray:
        """The scores of all items for each history, `(histories, items)`."""
        lengths = np.fromiter(map(len, histories), int, len(histories))
        indices = self._indices(list(chain.from_iterable(histories)), "histories")
        row = np.repeat(np.arange(len(histories)), lengths)[indices >= 0]
        indices = indices[indices >= 0]
        ends = np.cumsum(np.bincount(row, minlength=len(histories)))
        weights = np.power(self.decay, ends[row] - 1 - np.arange(len(row))).astype(np.float32)
        shape = (len(histories), len(self.items))
        starts = np.concatenate([[0], ends])
        scores: Any = sparse.csr_array((weights, indices, starts), shape) @ self._transitions
        return scores.toarray()

    def _indices(self, ids: list[Any], name: str = "ids") -> np.ndarray:
        """The indices of ids among the items, -1 for others."""
        if ids and isinstance(ids[0], bytes):
            ids = [decode(name, each) if isinstance(each, bytes) else each for each in ids]
        ids = plain_ids(name, ids) if ids else ids
        if ids and type(ids[0]) is not type(self.items[0]):
            expected = f"of the type of the training rows, such as {self.items[0]!r}"
            raise wrong_type(f"each id in {name}", ids[0], expected, "Convert one of them.")
        return np.fromiter((self._index.get(each, -1) for each in ids), np.int64, len(ids))


def _count_pairs(
    users: np.ndarray, items: np.ndarray, num_items: int, gap_decay: float, max_gap: int
) -> sparse.csr_array:
    """The weighted number of pairs of events of one user; rows are sorted by user and time."""
    shape = (num_items, num_items)
    total, parts, num_pairs = sparse.csr_array(shape, dtype=np.float32), [], 0
    items = items.astype(np.int32)
    longest = int(np.bincount(users).max())
    last = min(max_gap, longest - 1)
    for gap in range(1, last + 1):
        is_pair = users[gap:] == users[:-gap]
        first, second = items[:-gap][is_pair], items[gap:][is_pair]
        weights = np.full(len(first), gap_decay ** (gap - 1), np.float32)
        parts.append((first, second, weights))
        num_pairs += len(first)
        if num_pairs >= _MAX_PAIRS or gap == last:
            first, second, weights = map(np.concatenate, zip(*parts, strict=True))
            total = total + sparse.coo_array((weights, (first, second)), shape).tocsr()
            parts, num_pairs = [], 0
    return total


def _top_followers(transitions: Any, num_followers: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest entries of each row of a sparse matrix: columns and values, padded with zeros."""
    starts: Any = transitions.indptr[:-1]
    sizes = transitions.indptr[1:] - starts
    row = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((-transitions.data, row))
    rank = np.arange(len(order)) - np.repeat(starts, sizes)
    kept = rank < num_followers
    shape = len(sizes), num_followers
    followers, values = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    cells = row[kept], rank[kept]
    followers[cells] = transitions.indices[order][kept]
    values[cells] = transitions.data[order][kept]
    return followers, values
