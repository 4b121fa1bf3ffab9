"""A fixed number for each id, or for each combination of ids of several columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import single_values
from rankkit.core.columns import as_list, is_column
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers import _numeric
from rankkit.layers._lookup import IdLookup
from rankkit.layers.base import FeatureLayer
from rankkit.utils.errors import invalid


class IdNumbers(FeatureLayer):
    """A layer without weights that returns a number for each id, or each combination of ids.

    Constructors call `_set_table`, and keep `ids` as an array: `(ids,)`, or `(columns, ids)`.
    """

    ids: np.ndarray

    def _set_table(self, ids: Any, name: str, numbers: np.ndarray, unknown: float) -> None:
        columns = _id_lists(_of_each_column(ids))
        self._lookups = [IdLookup("ids", list(dict.fromkeys(column))) for column in columns]
        self._is_several = len(columns) > 1
        # An array, since Keras would wrap and track every string of a list.
        self.ids = np.array(columns, object) if self._is_several else self._lookups[0].ids
        index = [{each: i for i, each in enumerate(lookup.ids)} for lookup in self._lookups]
        indices = [
            np.fromiter(map(of.__getitem__, column), np.int64, len(column))
            for of, column in zip(index, columns, strict=True)
        ]
        # Columns are added one by one, so that the numbers of combinations cannot overflow.
        self._pairs: list[IdLookup] = []
        found = indices[0]
        for position, others in enumerate(indices[1:], start=1):
            keys = found * len(self._lookups[position]) + others
            distinct, found = np.unique(keys, return_inverse=True)
            self._pairs.append(IdLookup("ids", distinct))
        _check_unique(columns, found)
        if len(numbers) != len(found):
            raise invalid(
                name, f"{len(numbers)} numbers", f"one number for each of {len(found)} ids"
            )
        table = np.empty(len(found) + 1, np.float32)  # the first row is for unknown ids
        table[0], table[1 + found] = unknown, numbers
        specs = tuple(lookup.spec for lookup in self._lookups)
        self._spec, self._dim = specs if self._is_several else specs[0], 1
        with tf.init_scope():
            self._table = tf.constant(table)

    def sample_values(self, count: int) -> Any:
        """Returns `count` example inputs, known ids and an unknown one, or known combinations."""
        if not self._is_several:
            return [*self._lookups[0].sample(count - 1), self._lookups[0].unknown_id()]
        positions = np.linspace(0, self.ids.shape[1] - 1, count, dtype=int)
        return tuple(column[positions].tolist() for column in self.ids)

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the number of each id, `tf.float32`."""
        first, *others = inputs if self._is_several else [inputs]
        index = self._lookups[0].find(first, self.name)
        for lookup, pairs, each in zip(self._lookups[1:], self._pairs, others, strict=True):
            other = lookup.find(each, self.name)
            keys = tf.where((index >= 0) & (other >= 0), index * len(lookup) + other, -1)
            index = pairs.find(keys, self.name)
        return tf.gather(self._table, index + 1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return _numeric.to_compute_dtype(tf.expand_dims(codes, -1), self)


def _of_each_column(ids: Any) -> dict[str, Any]:
    """The known ids by column; those of combinations are a list of columns."""
    is_several = isinstance(ids, list | tuple) and len(ids) > 0 and all(map(is_column, ids))
    return {f"ids[{i}]": each for i, each in enumerate(ids)} if is_several else {"ids": ids}


def _id_lists(columns: Mapping[str, Any]) -> list[list]:
    """Columns of ids, named as in errors, as lists of one length."""
    lists = []
    for name, column in columns.items():
        distinct_ids(column, name=name)  # raises unless they are ids
        lists.append(as_list(single_values(name, column), name))
    if len(lengths := {len(each) for each in lists}) > 1:
        raise invalid("the lengths of the columns", sorted(lengths), "equal")
    return lists


def distinct_combinations(columns: Any) -> tuple[list, np.ndarray]:
    """The distinct ids, or combinations by column, and the index of that of each row, `(rows,)`."""
    lists = _id_lists(columns if isinstance(columns, Mapping) else {"columns": columns})
    if not lists:
        raise invalid("columns", columns, "a column, or a dict of at least one column")
    cells: Sequence[Any] = lists[0] if len(lists) == 1 else list(zip(*lists, strict=True))
    index = {cell: i for i, cell in enumerate(sorted(set(cells)))}
    indices = np.fromiter(map(index.__getitem__, cells), np.int64, len(cells))
    ids = list(index)
    return ids if len(lists) == 1 else [list(each) for each in zip(*ids, strict=True)], indices


def _check_unique(columns: list[list], found: np.ndarray) -> None:
    _, first, counts = np.unique(found, return_index=True, return_counts=True)
    if (twice := np.flatnonzero(counts > 1)).size:
        row = first[twice[0]]
        shown = tuple(column[row] for column in columns)
        raise ValueError(
            f"ids must differ. Got: {shown[0] if len(shown) == 1 else shown!r} twice. Remove "
            "duplicates."
        )
