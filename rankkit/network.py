"""A dict of feature layers becomes one Functional model."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, missing, wrong_type
from rankkit.interactions import concatenate

# Names that graphs, function arguments and every export take as they are.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED = ("index", "k", "rating", "self")


def ranking_network(
    features: Mapping[str, tf.keras.layers.Layer],
    *,
    head: Callable[[Any], Any],
    interaction: Callable[[list], Any] | None = None,
    name: str = "ranking_network",
) -> tf.keras.Model:
    """Builds the network that scores a row: a plain Functional `tf.keras.Model`.

    Each feature goes through its layer, the vectors meet in `interaction`, and `head` makes the
    score of what comes out. One layer under two names is shared between them.

    Args:
        features: Feature name to layer. A layer takes the raw value and has a `feature_spec`, the
            `tf.TensorSpec` of that raw value with the batch axis first. Layers of Keras itself
            become feature layers when that attribute is set on them.
        head: Layer or model from the joined vector `(batch, width)` to the score `(batch, 1)`,
            such as `rankkit.layers.DenseRatingHead`.
        interaction: Layer or function from the list of vectors, in the order of `features`, to
            one vector. Defaults to `None`, which puts them side by side.
        name: Name of the model. Defaults to `"ranking_network"`.

    Returns:
        A model whose only input is a dict of raw features, each of shape `(batch, ...)`, and
        whose output has shape `(batch, 1)`.

    Raises:
        ValueError: If there are no features, or a name cannot stand in a TensorFlow graph.
        TypeError: If a value of `features` is no feature layer.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> network = rk.ranking_network(
        ...     {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)},
        ...     head=rk.layers.DenseRatingHead([16]),
        ... )
        >>> network({"user_id": tf.constant(["42"])}).shape
        TensorShape([1, 1])
    """
    check_features(features)
    for role, part in (("head", head), ("interaction", interaction or concatenate)):
        if not callable(part) or _of_keras_3(part):
            raise wrong_type(role, part, "a tf.keras layer or a function", _keras_fix(part))
    inputs = {
        feature: tf.keras.Input(
            shape=layer.feature_spec.shape[1:], dtype=layer.feature_spec.dtype, name=feature
        )
        for feature, layer in features.items()
    }
    vectors = [layer(inputs[feature]) for feature, layer in features.items()]
    joined = (interaction or concatenate)(vectors)
    return tf.keras.Model(inputs, head(joined), name=name)


def check_features(features: Any) -> None:
    """Refuses what is no dict of feature layers.

    Raises:
        ValueError: If there is no feature, or a name could not be exported later.
        TypeError: If a value is no feature layer.
    """
    if not isinstance(features, Mapping) or not features:
        raise invalid("features", features, "a dict with at least one feature layer")
    check_names(features)
    for feature, layer in features.items():
        _check_layer(feature, layer, features)


def check_names(features: Iterable[str]) -> None:
    """Refuses feature names that could not be exported later.

    Raises:
        ValueError: If a name is no plain word, is that of an export's output, or differs from
            another in case alone.
    """
    seen: dict[str, str] = {}
    for name in features:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            expected = "letters, digits and '_', a letter first"
            raise invalid("feature name", name, expected, "Rename the column.")
        if name in _RESERVED:
            raise invalid("feature name", name, f"none of {_RESERVED}", "Rename the column.")
        if name.lower() in seen:
            expected = f"different from {seen[name.lower()]!r} in more than case"
            raise invalid("feature name", name, expected, "Rename one of the columns.")
        seen[name.lower()] = name


def _of_keras_3(part: Any) -> bool:
    return type(part).__module__.partition(".")[0] == "keras"


def _keras_fix(part: Any) -> str:
    return "Take layers from tf.keras, not from Keras 3." if _of_keras_3(part) else ""


def _check_layer(feature: str, layer: Any, features: Iterable[str]) -> None:
    if not isinstance(layer, tf.keras.layers.Layer):
        raise wrong_type(f"features[{feature!r}]", layer, "a tf.keras layer", _keras_fix(layer))
    if layer.name in features:
        fix = "The input of the network has that name: give the layer another."
        raise invalid(f"features[{feature!r}].name", layer.name, "no feature's name", fix)
    if not isinstance(getattr(layer, "feature_spec", None), tf.TensorSpec):
        raise wrong_type(
            f"features[{feature!r}]",
            layer,
            "a layer with a feature_spec, the tf.TensorSpec of its raw value",
            "Use a layer of rankkit.layers, or set it: "
            "layer.feature_spec = tf.TensorSpec((None,), tf.string).",
        )


def feature_specs(network: tf.keras.Model) -> dict[str, tf.TensorSpec]:
    """Gives the `tf.TensorSpec` of each raw feature that the network takes.

    Args:
        network: A model with one dict as its input, as `ranking_network` gives it.

    Returns:
        Feature name to spec, the batch axis first.

    Raises:
        TypeError: If the network's input is not a dict.
    """
    if not isinstance(getattr(network, "input", None), Mapping):
        raise wrong_type(
            "network",
            network,
            "a Functional tf.keras.Model with one dict as its input",
            "Build it with rankkit.ranking_network.",
        )
    return {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in network.input.items()
    }


def select_features(
    columns: Mapping[str, Any], specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Takes a network's features out of a batch and checks their kind.

    Args:
        columns: Column name to values; more columns than features are fine.
        specs: What the network takes, from `feature_specs`.

    Returns:
        Feature name to tensor, for the features in `specs` alone.

    Raises:
        ValueError: If a feature is missing from the batch.
        TypeError: If strings come where integers are expected, or the other way round.
    """
    for name in specs:
        if name not in columns:
            raise missing("feature", name, specs, columns)
    return {name: _as_feature(name, columns[name], spec) for name, spec in specs.items()}


def _as_feature(name: str, value: Any, spec: tf.TensorSpec) -> tf.Tensor:
    value = value if tf.is_tensor(value) else tf.convert_to_tensor(value)
    if spec.dtype == tf.string:
        fits = value.dtype == tf.string
    elif spec.dtype.is_integer:
        # A float id would be cut off, and a missing one, NaN, be looked up as some number.
        fits = value.dtype.is_integer or value.dtype.is_bool
    else:
        fits = value.dtype != tf.string
    if not fits:
        fix = "Convert the column to the type of the layer's vocabulary; drop missing values first."
        raise wrong_type(f"feature {name!r}", value.dtype.name, spec.dtype.name, fix)
    return tf.cast(value, spec.dtype)
