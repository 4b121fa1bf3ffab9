"""Loading of `.keras` files: everything inside is checked before Keras builds a model from it.

Keras imports any module that the config names and calls any TensorFlow function that a layer
names, also in its safe mode. Here a config may name only Keras's own classes and functions, except
those that run code or read other files, and those that this process has registered.
"""

import collections
import contextlib
import json
import re
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import tensorflow as tf

from rankkit.utils.errors import unreadable

_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_FREE_BYTES = 1 << 26  # for variables that a file does not hold, such as those of metrics
_THRESHOLD_BYTES = 64  # for each threshold of a metric such as AUC, beside its variables


def load_keras_file(path: Path) -> tf.keras.Model:
    """Loads a `.keras` file; raises `ValueError` if it is damaged or not safe to load."""
    try:
        config = _read_archive(path)
    except Exception as error:  # zipfile, zlib, json and h5py raise errors of many types
        raise unreadable(path, "a .keras file", error) from None
    try:
        check_config(config)
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not loaded, as it may run code: {error}") from None
    limit = 2 * path.stat().st_size + _FREE_BYTES
    try:
        if _threshold_bytes(config) > limit:
            raise ValueError("its config describes metrics with more thresholds than fit the file")
        with _limited_weights(limit):
            return tf.keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # whatever a layer raises for a config or weights that do not fit
        raise unreadable(path, "a .keras file", error) from error


@contextlib.contextmanager
def _limited_weights(limit: int) -> Iterator[None]:
    """Raises if a config describes weights that the file cannot hold, before they are made."""
    total = 0

    def create(next_creator: Any, **kwargs: Any) -> Any:
        nonlocal total
        shape, dtype = tf.TensorShape(kwargs.get("shape")), kwargs.get("dtype")
        total += (shape.num_elements() or 0) * tf.as_dtype(dtype or tf.float32).size
        if total > limit:
            raise ValueError("its config describes larger weights than the file holds")
        return next_creator(**kwargs)

    with tf.variable_creator_scope(create):
        yield


def _threshold_bytes(config: Any) -> int:
    """The memory that the thresholds of metrics take, which Keras makes as Python numbers."""
    numbers = (part.get("num_thresholds") for part in _objects(config))
    return _THRESHOLD_BYTES * sum(each for each in numbers if isinstance(each, int))


def _read_archive(path: Path) -> Any:
    """Checks the files inside and the links of the weights; returns the parsed config."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        counts = collections.Counter(member.filename for member in members)
        for name in (_CONFIG, _WEIGHTS):
            if name not in counts:
                raise ValueError(f"it contains no {name}")
        if repeated := [name for name, count in counts.items() if count > 1]:
            raise ValueError(f"it contains {repeated[0]!r} more than once")
        # Keras does not compress: the sum exceeds the file only if it was made to fill the memory.
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError("its contents are larger than the file, so Keras did not write it")
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"the checksum of {damaged} inside it is wrong, so it is damaged")
        with archive.open(_WEIGHTS) as file, h5py.File(file, "r") as weights:
            _check_weights(weights, archive.getinfo(_WEIGHTS).file_size)
        return json.loads(archive.read(_CONFIG))


def _check_weights(weights: h5py.File, size: int) -> None:
    """Raises if weights lie in other files, or are larger than the file that holds them."""
    groups: list[h5py.Group] = [weights]
    total = 0

    def visit(name: str, part: Any) -> None:
        nonlocal total
        if isinstance(part, h5py.Group):
            groups.append(part)
            return
        if part.external or part.is_virtual:
            raise ValueError(f"its weights {name!r} lie in another file")
        if part.dtype.hasobject:  # many cells can refer to the same bytes
            raise ValueError(f"its weights {name!r} are no numbers")
        total += part.nbytes

    weights.visititems(visit)
    for group in groups:
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its weights {name!r} are a link to another place")
    if total > size:
        raise ValueError("its weights are larger than the file, so Keras did not write them")


def check_config(config: Any) -> None:
    """Raises `ValueError` unless the parsed config describes a model of classes that may be loaded.

    The registered classes and functions are those of `tf.keras.saving.get_registered_object`.
    """
    is_object = isinstance(config, dict) and "class_name" in config
    model = _check_object(config) if is_object else None
    if not (isinstance(model, type) and issubclass(model, tf.keras.Model)):
        shown = config["class_name"] if is_object else config
        raise ValueError(
            f"its config must describe a model, such as RankingModel. Got: {str(shown)[:80]!r}. "
            "Save a model with RankingModel.save."
        )
    for part in _objects(config):
        if "class_name" in part:
            _check_object(part)


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yields all objects of a parsed config, and those inside them."""
    parts: list[Any] = [config]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            yield part
            part = part.values()
        parts.extend(each for each in part if isinstance(each, dict | list))


# Class names in Keras's format that stand for values.
_VALUES = ("__tensor__", "__numpy__", "__bytes__")
_TYPE_SPECS = {
    "TensorSpec": "tensorflow.python.framework.tensor",
    "RaggedTensorSpec": "tensorflow.python.ops.ragged.ragged_tensor",
    "SparseTensorSpec": "tensorflow.python.framework.sparse_tensor",
}
# Classes outside Keras's public API that it writes to configs, and their modules.
_OPERATIONS = "tf_keras.src.layers.core.tf_op_layer"
_INTERNAL = {
    "AddLoss": "tf_keras.src.engine.base_layer",
    "AddMetric": "tf_keras.src.engine.base_layer",
    "Functional": "tf_keras.src.engine.functional",
    "LossScaleOptimizerV3": "tf_keras.src.mixed_precision.loss_scale_optimizer",
    "InstanceMethod": _OPERATIONS,
    "InstanceProperty": _OPERATIONS,
    "SlicingOpLambda": _OPERATIONS,
    "TFOpLambda": _OPERATIONS,
}
_KINDS = (
    tf.keras.layers.Layer, tf.keras.losses.Loss, tf.keras.metrics.Metric,
    tf.keras.optimizers.Optimizer, tf.keras.optimizers.legacy.Optimizer,
    tf.keras.optimizers.schedules.LearningRateSchedule, tf.keras.initializers.Initializer,
    tf.keras.regularizers.Regularizer, tf.keras.constraints.Constraint,
    tf.keras.mixed_precision.Policy,
)  # fmt: skip
_RUN_CODE = (tf.keras.layers.Lambda,)
_READ_FILES = (tf.keras.layers.DenseFeatures, tf.keras.experimental.SequenceFeatures)
_LOOKUPS = (
    tf.keras.layers.StringLookup,
    tf.keras.layers.IntegerLookup,
    tf.keras.layers.TextVectorization,
)
# Namespaces of the functions that Keras writes by their names.
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
# TensorFlow's functions of tensors only: none of them calls a function or touches a file.
_SAFE_FUNCTION = re.compile(
    r"(?!.*(_candidate_sampler|_rnn))"  # some read a vocabulary file, or call a function
    r"(compat\.v1\.)?((math|nn|strings|linalg|bitwise|ragged|sparse|random|__operators__)\.[a-z0-9_]+"
    r"|abs|add|argsort|boolean_mask|broadcast_to|cast|clip_by_value|concat|convert_to_tensor|cumsum"
    r"|divide|einsum|expand_dims|eye|fill|gather|gather_nd|identity|linspace|matmul|maximum|minimum"
    r"|multiply|norm|one_hot|ones|ones_like|pad|range|rank|repeat|reshape|reverse|roll|round|searchsorted"
    r"|sequence_mask|shape|sign|size|slice|sort|split|sqrt|square|squeeze|stack|stop_gradient"
    r"|subtract|tensordot|tile|transpose|unstack|where|zeros|zeros_like|reduce_[a-z]+)"
)
_SAFE_ATTRIBUTES = (
    "shape", "dtype", "values", "flat_values", "indices", "dense_shape", "row_splits", "nrows",
    "row_lengths", "row_starts", "row_limits", "value_rowids", "bounding_shape", "to_tensor",
    "to_sparse", "with_values", "with_flat_values", "merge_dims", "get_shape",
)  # fmt: skip


def _check_object(part: dict[str, Any]) -> Any:
    """Raises if Keras must not make this object; returns its class or function, `None` for data."""
    name, module = part["class_name"], part.get("module")
    registered_name = part.get("registered_name", name)
    if not all(each is None or isinstance(each, str) for each in (name, module, registered_name)):
        raise ValueError("the names of its classes must be strings. Save the model again.")
    if name in _VALUES:
        return None
    if name == "__lambda__":
        raise ValueError(
            "it contains a lambda. Replace it by a function, and decorate the function with "
            "tf.keras.saving.register_keras_serializable."
        )
    if name == "__typespec__":
        spec = part.get("spec_name")
        if not isinstance(spec, str) or _TYPE_SPECS.get(spec, "") != module or registered_name:
            raise _unknown("type", spec, module)
        return None
    if name == "function":
        return _check_function(part.get("config"), module, registered_name)
    found = _registered(registered_name)
    if found is not None:
        # Keras looks up some classes by one of the two names, and some by the other.
        if name not in (getattr(found, "__name__", name), str(registered_name).rpartition(">")[2]):
            raise ValueError(
                f"it contains a class {name!r} under the registered name {registered_name!r}, "
                "which is another class. Save the model again."
            )
        if "module" not in part and _registered(name) is None:
            raise _unknown("class", name, None)
    else:
        found = _keras_class(name, module)
    _check_class(found, name, module, part.get("config"))
    return found


def _check_class(found: Any, name: str, module: str | None, config: Any) -> None:
    is_class, config = isinstance(found, type), config if isinstance(config, dict) else {}
    if is_class and issubclass(found, _RUN_CODE):
        raise ValueError(
            f"it contains a layer {name!r}, which runs code from the file. Write a layer class, "
            "and decorate it with tf.keras.saving.register_keras_serializable."
        )
    if is_class and issubclass(found, _READ_FILES):
        raise ValueError(f"it contains a layer {name!r}, which may read other files. Replace it.")
    vocabulary, function = config.get("vocabulary"), config.get("function")
    if is_class and issubclass(found, _LOOKUPS) and isinstance(vocabulary, str):
        raise ValueError(
            f"its layer {name!r} reads the file {vocabulary!r}. Pass the vocabulary as a list, "
            "and save the model again."
        )
    is_function = name in ("TFOpLambda", "SlicingOpLambda")
    if is_function and not _SAFE_FUNCTION.fullmatch(str(function)):
        raise ValueError(
            f"it calls the TensorFlow function {str(function)[:80]!r}, which is not among the "
            "operations on tensors that are allowed. Call it in a layer class decorated with "
            "tf.keras.saving.register_keras_serializable."
        )
    is_attribute = name in ("InstanceMethod", "InstanceProperty")
    if is_attribute and config.get("attr_name") not in _SAFE_ATTRIBUTES:
        raise _unknown("attribute of tensors", config.get("attr_name"), module)


def _check_function(name: Any, module: str | None, registered_name: str | None) -> Any:
    if isinstance(name, str):
        if (found := _registered(name)) is not None:
            return found
        spaces = _FUNCTIONS if module == "builtins" else (str(module).removeprefix("keras."),)
        if name.startswith("_") or name in ("get", "serialize", "deserialize"):
            spaces = ()
        for space in spaces:
            found = getattr(getattr(tf.keras, space), name, None) if space in _FUNCTIONS else None
            is_same = registered_name in (None, "function", name)
            if isinstance(found, types.FunctionType) and is_same:
                return found
    raise _unknown("function", name, module)


def _registered(name: str | None) -> Any:
    return None if name is None else tf.keras.saving.get_registered_object(name)


def _keras_class(name: str, module: str | None) -> type:
    """Returns the class of Keras, without importing anything."""
    path = str(module).split(".")
    if module is not None and name in _INTERNAL:
        if re.sub("^keras", "tf_keras", module) == _INTERNAL[name]:
            return tf.keras.Model if name == "Functional" else tf.keras.layers.Layer
    elif path[0] == "keras" and "__internal__" not in path:
        found: Any = tf.keras
        for each in (*path[1:], name):
            found = getattr(found, each, None)
        if isinstance(found, type) and issubclass(found, _KINDS) and found.__name__ == name:
            return found
    raise _unknown("class", name, module)


def _unknown(kind: str, name: Any, module: str | None) -> ValueError:
    return ValueError(
        f"its {kind} {str(name)[:80]!r} of module {str(module)[:80]!r} is neither Keras's nor "
        "registered in this process. If it is yours, decorate it with "
        "tf.keras.saving.register_keras_serializable, and import its module before loading."
    )
