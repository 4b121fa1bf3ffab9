"""What `fit`, `evaluate` and `predict` are given, in a form that Keras reads and does not round."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import as_array, fill_numbers
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import as_seconds
from rankkit.data.columns import as_columns, encode_column, table_names, table_tensors
from rankkit.models.heads import HeadSettings
from rankkit.models.network import feature_specs
from rankkit.utils.errors import check_mapping, wrong_type
from rankkit.utils.graph_errors import marked

_OF_TENSORFLOW = (tf.data.Iterator, tf.distribute.DistributedIterator)


class Reader:
    """Converts the arguments of a call, for a model that reads certain columns.

    Args:
        specs: Feature name to its `tf.TensorSpec`.
        heads: The heads of the model.
    """

    def __init__(self, specs: Mapping[str, tf.TensorSpec], heads: HeadSettings):
        biases = map(feature_specs, heads.biases.values())
        bias_specs = dict(chain.from_iterable(each.items() for each in biases))
        labels = [*filter(None, (*heads.labels.values(), *heads.weights.values()))]
        self._features, self._more = dict(specs), [*labels, *bias_specs]
        self._names = {*self._features, *self._more}
        both = {**bias_specs, **specs}
        self._numbers = {*labels, *(name for name, each in both.items() if each.dtype.is_floating)}

    def arguments(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Returns the arguments of a call by name, with converted data, labels and weights."""
        arguments = inspect.signature(method).bind_partial(*args, **kwargs).arguments
        read = arguments.pop("kwargs", {}) | arguments
        for name in arguments.keys() & {"y", "sample_weight"}:
            read[name] = self._labels(name, arguments[name])
        if (data := arguments.get("validation_data")) is not None:  # Keras reads lists as tuples
            data = tuple(data) if isinstance(data, list) else data
            read["validation_data"] = self.data(data, "validation_data")
        read["x"] = self.data(arguments.get("x"))
        _check_lengths({name: read.get(name) for name in ("x", "y", "sample_weight")})
        return read

    def data(self, data: Any, argument: str = "x") -> Any:
        """Converts a table or a dict to tensors; batches are converted as they are read."""
        rest, names = (), [argument]
        if isinstance(data, tuple) and data:
            data, *rest = data
            rest = [self._labels("y", each) for each in rest]
            names = [f"{argument}[{index}]" for index in range(1 + len(rest))]
        if isinstance(data, tf.keras.utils.Sequence):
            data = _ReadSequence(data, self._batch)
        elif isinstance(data, Iterator) and not isinstance(data, _OF_TENSORFLOW):
            data = _read_batches(data, self._batch)
        else:
            is_empty = isinstance(data, list | tuple) and not data
            if data is None or is_empty or isinstance(data, str | bytes | int | float):
                expected = "a dict of columns, a DataFrame or a tf.data.Dataset"
                raise wrong_type(argument, data, expected)
            data = table_tensors(data, self._features, self._more)
        if not rest:
            return data
        _check_lengths(dict(zip(names, (data, *rest), strict=True)))
        return (data, *rest)

    def _batch(self, batch: Any) -> Any:
        if not isinstance(batch, tuple | list) or not batch:
            return self._columns(batch)
        labels = (self._labels("y", each, is_batch=True) for each in batch[1:])
        return self._columns(batch[0]), *labels

    def _columns(self, columns: Any) -> dict[str, Any]:
        """The columns of a batch, of the same dtypes in each."""
        if (known := table_names(columns)) is not None:
            columns = as_columns(columns, [name for name in known if name in self._names])
        expected = "a dict of columns, a DataFrame, or a tuple of it and the label"
        columns = check_mapping("a batch", columns, expected)
        return {
            name: self._column(name, column) if name in self._names else column
            for name, column in columns.items()
            if name in self._names or tf.is_tensor(column) or _kind(column) in "biufSU"
        }

    def _column(self, name: str, column: Any) -> Any:
        if tf.is_tensor(column):
            return column
        where = f"column {name!r}"
        array = fill_numbers(where, as_seconds(where, as_array(column)))
        if array.dtype.kind in "biuf":
            return _as_float32(where, array) if name in self._numbers else array
        if not array.ndim or all(type(cell) is str for cell in array.flat):
            return array  # without TensorFlow, which a forked process cannot run
        return encode_column(name, array)(tf.range(len(array)))

    def _labels(self, name: str, values: Any, *, is_batch: bool = False) -> Any:
        """Labels or weights, or several of them, as arrays of numbers; tensors as they are."""
        if values is None or tf.is_tensor(values):
            return values
        if isinstance(values, Mapping):
            return {
                key: self._labels(key, each, is_batch=is_batch) if key in self._names else each
                for key, each in values.items()
            }
        if isinstance(values, list | tuple) and any(map(_is_column, values)):
            return type(values)([self._labels(name, each, is_batch=is_batch) for each in values])
        array = fill_numbers(where := f"column {name!r}", as_seconds(name, as_array(values)))
        if array.dtype.kind in "biuf":
            is_kept = array is values and array.dtype.kind != "f" and not is_batch
            return array if is_kept else _as_float32(where, array)
        raise wrong_type(where, values, "one number per row", "Convert it first.")


def _check_lengths(parts: Mapping[str, Any]) -> None:
    """Raises unless labels and weights in memory have one value for each row of the first part."""
    sizes = {
        name: [each.shape[0] for each in tf.nest.flatten(part) if _is_column(each)]
        for name, part in parts.items()
    }
    first = next(iter(parts))
    for name, found in sizes.items():
        for size in found:
            if sizes[first] and size != sizes[first][0]:
                expected = f"one value for each of the {sizes[first][0]} rows of {first}"
                raise ValueError(f"{name} must have {expected}. Got: {size} values.")


def _as_float32(where: str, numbers: np.ndarray) -> np.ndarray:
    check_float32(where, numbers)
    return numbers.astype(np.float32, copy=False)


def _kind(column: Any) -> str:
    return column.dtype.kind if isinstance(column, np.ndarray) else "O"


def _is_column(value: Any) -> bool:
    return isinstance(value, Mapping) or len(getattr(value, "shape", ())) > 0


def _read_batches(batches: Iterator[Any], read: Callable[[Any], Any]) -> Iterator[Any]:
    is_empty = True
    for batch in batches:
        is_empty = False
        yield _marked(read, batch)
    if is_empty:
        raise ValueError(
            "x must have at least one batch. Got: 0 batches of a generator. Make a new one for "
            "each call: it can be read once."
        )


class _ReadSequence(tf.keras.utils.Sequence):
    def __init__(self, batches: tf.keras.utils.Sequence, read: Callable[[Any], Any]):
        self._batches, self._read = batches, read

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> Any:
        return _marked(self._read, self._batches[index])

    def on_epoch_end(self) -> None:
        self._batches.on_epoch_end()


def _marked(read: Callable[[Any], Any], batch: Any) -> Any:
    """Reads a batch; TensorFlow, which calls this, would hide the error in one of its own."""
    try:
        return read(batch)
    except (TypeError, ValueError) as error:
        raise marked(error) from None
