"""Lookup of ids in a vocabulary."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import wrong_type


def unknown_id(ids: Sequence[Any]) -> Any:
    """Gives an id that is not among some, of their kind; nor one that fills up lists."""
    known = set(ids)
    numbers = range(len(known) + 1)
    names = map("unknown-{}".format, numbers) if isinstance(ids[0], str) else numbers
    return next(name for name in names if name not in known)


class _FreedTable(tf.lookup.StaticHashTable):
    """Frees its memory with the Python object; TensorFlow's own keeps it for ever.

    TensorFlow's anonymous tables are freed, but TensorFlow Lite has none.
    """

    def _destroy_resource(self) -> None:
        # Traced for a SavedModel it stays empty: there a signature may outlive what was loaded.
        if tf.executing_eagerly():
            tf.raw_ops.DestroyResourceOp(resource=self.resource_handle, ignore_lookup_error=True)


class IdTable(tf.Module):
    """Finds the place of each id in a vocabulary, with operations that TensorFlow Lite has too.

    Args:
        ids: The vocabulary, all `str` or all `int`, without duplicates.
    """

    def __init__(self, ids: Sequence[str] | Sequence[int]):
        super().__init__(name="ids")
        self.dtype = tf.string if isinstance(ids[0], str) else tf.int64
        with tf.init_scope():
            if self.dtype == tf.string:
                places = tf.range(len(ids), dtype=tf.int64)
                known = tf.lookup.KeyValueTensorInitializer(tf.constant(ids, self.dtype), places)
                self._hashed = _FreedTable(known, -1)
            else:
                values = np.array(ids, np.int64)
                order = np.argsort(values)
                self._sorted = tf.constant(values[order])
                self._places = tf.constant(order, tf.int64)

    def check(self, ids: Any, layer: str) -> tf.Tensor:
        """Gives ids as a tensor, and refuses those of the wrong kind.

        Args:
            ids: Any shape.
            layer: Name of the layer that was called with them.

        Raises:
            TypeError: If integers come where the vocabulary has strings, or the other way round.
        """
        ids = tf.convert_to_tensor(ids)
        text = self.dtype == tf.string
        if (ids.dtype == tf.string) != text or not (text or ids.dtype.is_integer):
            kind = "strings" if text else "integers"
            raise wrong_type("ids", ids, f"{kind}, as the vocabulary of layer {layer!r}")
        return ids

    def find(self, ids: tf.Tensor) -> tf.Tensor:
        """Gives the place of each id, -1 for the unknown ones.

        Args:
            ids: Any shape, strings or integers as the vocabulary.

        Returns:
            Places of the same shape, `tf.int64`.
        """
        if self.dtype == tf.string:
            # TensorFlow Lite forgets the shape, and later operations need its rank.
            return tf.reshape(self._hashed.lookup(ids), tf.shape(ids))
        return self._search(tf.cast(ids, self.dtype))

    def _search(self, ids: tf.Tensor) -> tf.Tensor:
        """Binary search, unrolled: TensorFlow Lite hashes strings alone, and has no search."""
        last = len(self._sorted) - 1
        found = tf.zeros_like(ids)
        for power in reversed(range(last.bit_length())):
            further = found + 2**power
            below = tf.gather(self._sorted, tf.minimum(further, last)) <= ids
            found = tf.where(below & (further <= last), further, found)
        known = tf.gather(self._sorted, found) == ids
        return tf.where(known, tf.gather(self._places, found), -tf.ones_like(ids))
