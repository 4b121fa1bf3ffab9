"""What `fit`, `evaluate` and `predict` are given, so that Keras does not round it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import tensorflow as tf

from rankkit.core.arrays import as_array, fill_numbers
from rankkit.core.precision import check_float32
from rankkit.data.columns import table_tensors
from rankkit.models.heads import HeadSettings
from rankkit.models.network import feature_specs
from rankkit.utils.errors import wrong_type

_OF_TENSORFLOW = (tf.data.Iterator, tf.distribute.DistributedIterator)


def readable(
    data: Any, features: Iterable[str], heads: HeadSettings, others: Mapping[str, Any]
) -> Any:
    """Returns data with the columns of a table as tensors; batches are checked as they are read.

    `others` are the other arguments of the call, such as labels, by name.
    """
    biases = chain.from_iterable(map(feature_specs, heads.biases.values()))
    more = [*filter(None, (*heads.labels.values(), *heads.weights.values())), *biases]
    names = {*features, *more}
    for name, values in others.items():
        _check_doubles(name, values, names)
    rest = ()
    if isinstance(data, tuple) and data:
        data, *rest = data
        _check_doubles("y", rest, names)
    if isinstance(data, tf.keras.utils.Sequence):
        data = _CheckedSequence(data, names)
    elif isinstance(data, Iterator) and not isinstance(data, _OF_TENSORFLOW):
        data = (_checked(batch, names) for batch in data)
    else:
        is_empty = isinstance(data, list | tuple) and not data
        if data is None or is_empty or isinstance(data, str | bytes | int | float):
            expected = "a dict of columns, a DataFrame or a tf.data.Dataset"
            raise wrong_type("x", data, expected)
        data = table_tensors(data, features, more)
    return (data, *rest) if rest else data


def _check_doubles(name: str, values: Any, names: Collection[str]) -> None:
    """Raises for arrays that float32 would round; in a dict, for the columns of these names."""
    if isinstance(values, Mapping):
        for each in values.keys() & set(names):
            _check_doubles(each, values[each], names)
    elif isinstance(values, tuple | list):
        for each in values:
            _check_doubles(name, each, names)
    elif not tf.is_tensor(values) and _is_double(getattr(values, "dtype", None)):
        check_float32(f"column {name!r}", fill_numbers(f"column {name!r}", as_array(values)))


def _is_double(dtype: Any) -> bool:
    """Whether a dtype, of NumPy or of a Series of pandas, has numbers that float32 rounds."""
    return getattr(dtype, "kind", None) == "f" and dtype.itemsize > 4


def _checked(batch: Any, names: Collection[str]) -> Any:
    _check_doubles("y", batch, names)
    return batch


class _CheckedSequence(tf.keras.utils.Sequence):
    def __init__(self, batches: tf.keras.utils.Sequence, names: Collection[str]):
        self._batches, self._names = batches, names

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        return _checked(self._batches[index], self._names)

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()
