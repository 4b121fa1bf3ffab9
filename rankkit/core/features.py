"""Feature specifications and the conversion of columns to feature tensors."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import as_array, decode, exact_numbers, fill_numbers, is_utf8
from rankkit.core.precision import to_float32, to_int64
from rankkit.core.timestamps import as_seconds, is_missing
from rankkit.utils.errors import invalid, missing, subject, wrong_type
from rankkit.utils.graph_errors import assert_in_graph
from rankkit.utils.tensorflow import layers_of

# Names that are valid in graphs, as function arguments and in every export.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = ("index", "k", "rating", "self")
TEXT_PADDING, NUMBER_PADDING = "", -1  # pad lists to one length


class Feature(NamedTuple):
    """A layer, and the raw columns that it reads."""

    sources: tuple[str, ...]
    layer: Any

    def specs(self) -> dict[str, tf.TensorSpec]:
        """Raw column to the `tf.TensorSpec` that the layer expects of it."""
        return dict(zip(self.sources, _specs(self.layer), strict=True))


def as_features(features: Any) -> dict[str, Feature]:
    """Checks a dict of features: name to layer, or to `(source or sources, layer)`."""
    if not isinstance(features, Mapping) or not features:
        raise invalid("features", features, "a dict with at least one feature layer")
    check_names(features)
    read = {name: _as_feature(name, value) for name, value in features.items()}
    specs = raw_specs(read)
    check_names(specs, "column")
    for name, feature in read.items():
        if feature.layer.name in specs:
            raise ValueError(
                "Layer names must differ from feature names, which the inputs of the network have. "
                f"Got: the layer of feature {name!r} is named {feature.layer.name!r}. Rename it."
            )
    _check_not_nested(read)
    return read


def _check_not_nested(features: Mapping[str, Feature]) -> None:
    """Raises if a layer is part of the layers of two features, which a config does not hold."""
    owners: dict[Any, tuple[str, Any]] = {}
    for name, feature in features.items():
        for part in layers_of(feature.layer):
            other, layer = owners.setdefault(id(part), (name, feature.layer))
            if layer is not feature.layer:
                raise ValueError(
                    "A layer inside the layer of a feature must not be part of another feature: "
                    "they would have a copy each when the network is loaded or cloned. Got: layer "
                    f"{part.name!r} in features {other!r} and {name!r}. Make a layer for each. "
                    "(A layer that reads a history outputs the vector of the candidate, too.)"
                )


def raw_specs(features: Mapping[str, Feature]) -> dict[str, tf.TensorSpec]:
    """The `tf.TensorSpec` of each raw column that the features read."""
    specs: dict[str, tf.TensorSpec] = {}
    first: dict[str, str] = {}
    for name, feature in features.items():
        for source, spec in feature.specs().items():
            other = specs.setdefault(source, spec)
            if (other.dtype, other.shape) != (spec.dtype, spec.shape):
                raise ValueError(
                    "Features must read a column with one dtype and shape. Got: column "
                    f"{source!r} is {_shown(other)} for feature {first[source]!r}, "
                    f"{_shown(spec)} for {name!r}. "
                    "Use ids of the same type in their vocabularies, or two columns."
                )
            first.setdefault(source, name)
    return specs


def _shown(spec: tf.TensorSpec) -> str:
    return f"{spec.dtype.name} of shape {tuple(spec.shape)}"


def _as_feature(name: str, value: Any) -> Feature:
    sources, layer = (name,), value
    if isinstance(value, tuple) and len(value) == 2:
        sources, layer = value
        sources = (sources,) if isinstance(sources, str) else tuple(sources)
    if not isinstance(layer, tf.keras.layers.Layer):
        expected = "a tf.keras layer, or (source, layer)"
        raise wrong_type(f"features[{name!r}]", layer, expected, keras_fix(layer))
    specs = _specs(layer)
    if not specs or not all(isinstance(each, tf.TensorSpec) for each in specs):
        raise wrong_type(
            f"features[{name!r}]",
            layer,
            "a layer with a feature_spec, the tf.TensorSpec of its raw value",
            "Use a layer of rankkit.layers, or set it: "
            "layer.feature_spec = tf.TensorSpec((None,), tf.string).",
        )
    if len(sources) != len(specs):
        fix = f"Pass, for example, {name!r}: (('user_id', 'timestamp'), layer)."
        reader = type(layer).__name__
        expected = f"the names of the {len(specs)} columns that {reader} reads, in order"
        raise invalid(f"the source columns of feature {name!r}", sources, expected, fix)
    return Feature(sources, layer)


def _specs(layer: Any) -> tuple[Any, ...]:
    """The `feature_spec` of a layer, one for each column that it reads."""
    specs = getattr(layer, "feature_spec", None)
    return tuple(specs) if isinstance(specs, tuple | list) else (specs,)


def of_keras_3(part: Any) -> bool:
    """Whether an object comes from Keras 3, which cannot be mixed with Keras 2."""
    return type(part).__module__.partition(".")[0] == "keras"


def keras_fix(part: Any) -> str:
    """What to do about a part of a network that has the wrong type."""
    return "Take layers from tf.keras, not from Keras 3." if of_keras_3(part) else ""


def check_names(names: Iterable[str], kind: str = "feature") -> None:
    """Checks that names of a `kind` can be exported: plain words that differ in more than case."""
    fix = f"Rename the {kind}."
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            expected = "a letter followed by letters, digits and '_'"
            raise invalid(f"{kind} name", name, expected, fix)
        if name in _RESERVED:
            reserved = ", ".join(_RESERVED)
            raise ValueError(f"{kind.capitalize()} name {name!r} is reserved ({reserved}). {fix}")
        if name.lower() in seen:
            expected = f"different from {seen[name.lower()]!r} in more than case"
            raise invalid(f"{kind} name", name, expected, f"Rename one {kind}.")
        seen[name.lower()] = name


@tf.autograph.experimental.do_not_convert
def as_feature(name: str, value: Any, spec: tf.TensorSpec) -> tf.Tensor:
    """Converts raw values, one per row, to the tensor that a layer expects; pads lists."""
    is_tensor, value = tf.is_tensor(value), conform(name, _as_tensor(name, value, spec), spec)
    if not is_tensor:
        check_utf8(name, value)
    if spec.dtype == tf.string:
        fits, expected = value.dtype == tf.string, "strings"
        expected += ". Drop rows without a value and convert it with .astype(str)"
    elif spec.dtype.is_integer:
        # A float id would be truncated, and NaN, a missing one, be looked up as some integer.
        fits = value.dtype.is_integer or value.dtype.is_bool
        expected = "integers. Drop rows without a value and convert it with .astype(int)"
    else:
        fits = value.dtype.is_floating or value.dtype.is_integer or value.dtype.is_bool
        expected = "numbers. Convert it with .astype(float)"
    if not fits:
        raise TypeError(
            f"Column {name!r} has dtype {value.dtype.name}, but its layer expects {expected}."
        )
    if value.dtype == spec.dtype:
        return value
    if spec.dtype == tf.float32:
        return to_float32(f"Column {name!r}", value)
    return to_int64(f"Column {name!r}", value) if spec.dtype == tf.int64 else value


def check_utf8(name: str, texts: tf.Tensor) -> None:
    """Raises for text that is not UTF-8; tensors in graphs are not checked."""
    is_read = texts.dtype == tf.string and not isinstance(texts, tf.SparseTensor)
    if not is_read or not tf.executing_eagerly():
        return
    cells = texts.flat_values if isinstance(texts, tf.RaggedTensor) else texts
    if cells.shape.num_elements() < 2_000:  # an operation of TensorFlow takes longer
        joined = b"\0".join(cells.numpy().ravel().tolist())
    else:
        joined = tf.strings.reduce_join(cells, separator="\0").numpy()
    try:
        joined.decode()
    except UnicodeDecodeError:
        for cell in cells.numpy().ravel():
            decode(f"column {name!r}", cell)


def conform(name: str, value: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """Returns a column in the shape that its layer expects, with any number of rows.

    A last axis of size 1 is added or dropped, as Keras does for the inputs of a network.
    """
    if value.shape.rank is None:
        value = _of_known_rank(name, value, spec)
    rank, expected = value.shape.rank, spec.shape
    if rank == expected.rank + 1 and value.shape[-1] == 1:
        return tf.squeeze(value, axis=-1)
    if rank and rank == expected.rank - 1 and expected[-1] == 1:
        value = tf.expand_dims(value, axis=-1)
    check_shape(name, value.shape, spec)
    return value


def _of_known_rank(name: str, value: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """Returns a column in a function that was traced for columns of several ranks."""
    shape, sizes = tf.shape(value), spec.shape[1:]
    fits = tf.size(shape) == spec.shape.rank
    if sizes.is_fully_defined():
        fits = tf.size(value) == shape[0] * sizes.num_elements()
    with tf.control_dependencies([assert_in_graph(fits, *_wrong_shape(name, shape, spec))]):
        return tf.reshape(value, [shape[0], *(-1 if size is None else size for size in sizes)])


def check_shape(name: str, shape: Sequence[int], spec: tf.TensorSpec) -> None:
    """Raises for a column of another shape than its layer expects, with any number of rows."""
    if not tf.TensorShape([None, *spec.shape[1:]]).is_compatible_with(shape):
        raise ValueError("".join(map(str, _wrong_shape(name, tuple(shape), spec))))


def check_width(name: str, column: tf.Tensor, spec: tf.TensorSpec) -> Any:
    """Makes an operation that checks how many values a column has in each row, inside a graph."""
    sizes = spec.shape[1:]
    if not sizes.rank or not sizes.is_fully_defined():
        return tf.no_op()
    shape = tf.shape(column)
    # Not shape[1], which the graph takes to be the size that the signature states.
    fits = tf.size(column) == shape[0] * sizes.num_elements()
    return assert_in_graph(fits, *_wrong_shape(name, shape, spec))


def _wrong_shape(name: str, shape: Any, spec: tf.TensorSpec) -> tuple[Any, ...]:
    """The parts of the error for a column of another shape."""
    sizes = "".join(f" {'any' if size is None else size}" for size in spec.shape[1:])
    fix = "Pass as many values in each row as the layer expects."
    if not sizes:
        fix = "Pass one value in each row, such as matrix[:, 0] for a matrix of one column."
    return f"Feature {name!r} must have the shape (rows,{sizes}). Got: ", shape, f". {fix}"


def check_features(specs: Mapping[str, tf.TensorSpec], columns: Iterable[str]) -> None:
    """Raises for the first feature that is not among the columns."""
    names = list(columns)
    for name, spec in specs.items():
        if name in names:
            continue
        error, sizes = missing("feature", name, specs, names), spec.shape[1:]
        if sizes.rank == 1 and sizes[0] is not None and spec.dtype.is_floating:
            stacked = f"rankkit.data.stack_columns(rows, names, name={name!r})"
            error = ValueError(f"{error} It is a matrix: {stacked} makes it of {sizes[0]} columns.")
        if sizes.rank == 1 and sizes[0] is None:
            error = ValueError(f"{error} It has a list in each row, [] if it is empty.")
        raise error


def padding_of(dtype: tf.DType) -> Any:
    """The value that pads lists of a type."""
    return TEXT_PADDING if dtype == tf.string else NUMBER_PADDING


def list_error(name: str, cell: Any, expected: str = "a list") -> TypeError:
    """The error for a cell that is not a list, with the list to write in its place."""
    fix = "Write []." if is_missing(cell) else f"Write [{cell!r}]."
    return wrong_type(name, cell, expected, fix)


def check_dense(name: str, column: Any) -> None:
    """Raises for a sparse tensor."""
    if isinstance(column, tf.SparseTensor):
        fix = "Convert it with tf.sparse.to_dense or tf.RaggedTensor.from_sparse."
        raise TypeError(f"{subject(name)} must be a dense or ragged tensor. Got: sparse. {fix}")


def _as_tensor(name: str, value: Any, spec: tf.TensorSpec) -> tf.Tensor:
    where = f"Column {name!r}"
    check_dense(where, value)
    if not tf.is_tensor(value):
        value = as_array(value)
        if not value.ndim:
            fix = "Pass a list or an array with one value per row."
            raise wrong_type(f"column {name!r}", value.item(), "a column", fix)
        value = fill_numbers(where, as_seconds(where, value))
        if value.shape == (0,):  # which has no type
            return tf.zeros([0, *(size or 0 for size in spec.shape[1:])], spec.dtype)
        if spec.shape.rank == 2 and value.ndim == 1 and value.dtype.kind == "O":
            value = value.tolist()
    if spec.shape.rank == 2 and isinstance(value, list | tuple):
        for row, cell in enumerate(value):
            if not isinstance(cell, list | tuple | np.ndarray):
                raise list_error(f"row {row} of column {name!r}", cell)
        members = list(chain.from_iterable(value))
        dtype = None if members else spec.dtype
        # TensorFlow would round Python numbers to float32 before they are checked.
        is_number = bool(members) and spec.dtype in (tf.float32, tf.int64)
        flat = exact_numbers(where, members) if is_number else members
        try:
            flat = tf.constant(flat, dtype)
        except (TypeError, ValueError):
            wrong = sorted(members, key=is_missing)[-1]
            expected, fix = "numbers only or text only", "Drop missing values; convert others."
            raise wrong_type(f"the lists of column {name!r}", wrong, expected, fix) from None
        lengths = [len(cell) for cell in value]
        is_matrix = len(set(lengths)) == 1 and flat.shape.rank == 1
        if is_matrix and spec.shape[1] is None:  # such as a query: ragged tensors take long
            return tf.reshape(flat, [len(lengths), lengths[0]])
        value = tf.RaggedTensor.from_row_lengths(flat, lengths)
    if isinstance(value, tf.RaggedTensor):
        check_shape(name, value.shape, spec)
        is_text = value.dtype == tf.string
        width = spec.shape[1] if spec.shape.rank == 2 else None
        if width is not None:
            message = f"Column {name!r} must have {width} values in each row. Pad or drop lists."
            fits = assert_in_graph(tf.reduce_all(value.row_lengths() == width), message)
            with tf.control_dependencies([] if tf.executing_eagerly() else [fits]):
                value = tf.identity(value)
        return value.to_tensor(TEXT_PADDING if is_text else tf.cast(NUMBER_PADDING, value.dtype))
    if tf.is_tensor(value):
        return value
    try:
        return tf.convert_to_tensor(value)
    except (TypeError, ValueError):
        cells = value.ravel().tolist()
        lists = [cell for cell in cells if isinstance(cell, list | tuple | np.ndarray)]
        if lists:
            where, fix = f"each value of column {name!r}", "Lists are for TagsEmbedding."
            raise wrong_type(where, lists[0], "a single value", fix) from None
        if text := next(
            (each for each in cells if isinstance(each, str) and not is_utf8(each)), ""
        ):
            fix = "Replace lone surrogates."
            raise invalid(f"each string in {where}", text, "valid UTF-8", fix) from None
        wrong = next(filter(is_missing, cells), cells[:3])
        fix = "Drop the rows without one, or replace missing values by a value such as 'unknown'."
        raise wrong_type(f"column {name!r}", wrong, "all strings or all numbers", fix) from None
