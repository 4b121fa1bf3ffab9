"""Lookup of ids in a vocabulary, and columns of ids."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import as_array, single_values
from rankkit.core.columns import as_list
from rankkit.core.precision import to_int64
from rankkit.core.vocabulary import check_vocabulary
from rankkit.utils.errors import check_sequence, wrong_type

Ids = Sequence[str] | Sequence[int]


class IdLookup(tf.Module):
    """The ids of a vocabulary and their indices, found by operations that TensorFlow Lite has."""

    def __init__(self, argument: str, ids: Iterable[Any]):
        super().__init__(name="ids")
        known = check_vocabulary(argument, ids)  # errors name the layer's argument
        # An array, since Keras would wrap and track every string of a list.
        self.ids = np.array(known, dtype=object)
        self.dtype = tf.string if isinstance(known[0], str) else tf.int64
        self.spec = tf.TensorSpec((None,), self.dtype)
        with tf.init_scope():
            if self.dtype == tf.string:
                indices = tf.range(len(known), dtype=tf.int64)
                keys = tf.constant(known, self.dtype)
                initializer = tf.lookup.KeyValueTensorInitializer(keys, indices)
                self._hash_table = _CollectableHashTable(initializer, -1)
            else:
                values = np.array(known, np.int64)
                order = np.argsort(values)
                self._sorted = tf.constant(values[order])
                self._order = tf.constant(order, tf.int64)

    def __len__(self) -> int:
        return len(self.ids)

    def check(self, ids: Any, layer: str) -> tf.Tensor:
        """Converts ids to a tensor; raises unless they have the type of the vocabulary."""
        ids = tf.convert_to_tensor(ids)
        is_text = self.dtype == tf.string
        if (ids.dtype == tf.string) != is_text or not (is_text or ids.dtype.is_integer):
            kind = "strings" if is_text else "integers"
            expected = f"{kind}, like the vocabulary of layer {layer!r}"
            raise wrong_type("ids", ids, expected, f"Cast them to {'str' if is_text else 'int'}.")
        return ids

    def find(self, ids: Any, layer: str) -> tf.Tensor:
        """Finds the index of each id, -1 if it is out of vocabulary; `tf.int64`."""
        ids = self.check(ids, layer)
        if self.dtype == tf.string:
            # TensorFlow Lite forgets the shape, and later operations need its rank.
            return tf.reshape(self._hash_table.lookup(ids), tf.shape(ids))
        return self._search(to_int64(f"The input of layer {layer!r}", ids))

    def _search(self, ids: tf.Tensor) -> tf.Tensor:
        """Unrolled binary search: TensorFlow Lite hashes only strings, and has no search."""
        last = len(self._sorted) - 1
        found = tf.zeros_like(ids)
        for power in reversed(range(last.bit_length())):
            further = found + 2**power
            is_at_most = tf.gather(self._sorted, tf.minimum(further, last)) <= ids
            found = tf.where(is_at_most & (further <= last), further, found)
        is_known = tf.gather(self._sorted, found) == ids
        return tf.where(is_known, tf.gather(self._order, found), -tf.ones_like(ids))

    def check_one_per_id(self, name: str, values: Any) -> None:
        """Raises unless an argument is a sequence with one entry for each id."""
        expected = "a sequence with one entry for each id"
        if not hasattr(values, "__len__"):  # an iterator could be read only once
            raise wrong_type(name, values, expected)
        check_sequence(name, values, expected)
        if len(values) != len(self):
            raise ValueError(
                f"{name} must have one entry for each id, in the order of ids. "
                f"Got: {len(values)} entries for {len(self)} ids. Pass one per id."
            )

    def sample(self, count: int) -> list:
        """Returns `count` ids, evenly spaced in the vocabulary."""
        return self.ids[np.linspace(0, len(self) - 1, count, dtype=int)].tolist()

    def unknown_id(self) -> Any:
        """Returns an id of the same type that is neither in the vocabulary nor padding."""
        known, numbers = set(self.ids), range(len(self) + 1)
        names = map("unknown-{}".format, numbers) if self.dtype == tf.string else numbers
        return next(name for name in names if name not in known)


class _CollectableHashTable(tf.lookup.StaticHashTable):
    """A hash table whose memory is freed with the Python object; TensorFlow keeps it forever."""

    # TensorFlow's anonymous tables are freed, too, but TensorFlow Lite has none.

    def _destroy_resource(self) -> None:
        # In a SavedModel this function is traced and stays empty: a signature may outlive the
        # object that was loaded.
        if tf.executing_eagerly():
            tf.raw_ops.DestroyResourceOp(resource=self.resource_handle, ignore_lookup_error=True)


def paired_columns(*, lists: bool = False, **columns: Any) -> list[tuple]:
    """Pairs the cells of two columns, named as in errors; those of the second may be `lists`."""
    (first, given), (second, other) = columns.items()
    allowed = as_array(other) if lists else None
    if allowed is None or not allowed.ndim:
        allowed = single_values(second, other)
    one, two = as_list(single_values(first, given), first), as_list(allowed, second)
    if len(one) != len(two):
        raise ValueError(
            f"{first} and {second} must have one value for each training row. "
            f"Got: {len(one)} {first} and {len(two)} {second}."
        )
    return list(zip(one, two, strict=True))
