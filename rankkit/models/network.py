"""`ranking_network`, which builds a Keras Functional model from feature layers."""

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import tensorflow as tf

from rankkit.core.features import (
    as_feature,
    as_features,
    check_features,
    check_utf8,
    keras_fix,
    of_keras_3,
    raw_specs,
)
from rankkit.core.keras_graph import input_positions
from rankkit.core.precomputed import is_step_in_memory
from rankkit.data.columns import table_tensors
from rankkit.interactions import concatenate
from rankkit.models.finite import FiniteNumbers, apply_layer
from rankkit.models.heads import apply_heads, check_heads
from rankkit.models.raw_precision import check_raw_precision
from rankkit.utils.errors import check_mapping, check_text, invalid, wrong_type
from rankkit.utils.graph_errors import assert_in_graph


def ranking_network(
    features: Mapping[str, Any],
    *,
    head: Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]] | None = None,
    interaction: Callable[[list], Any] | None = None,
    score: Mapping[str, float] | Callable[[dict], Any] | None = None,
    name: str = "ranking_network",
) -> tf.keras.Model:
    """Builds a ranking network, a plain Functional `tf.keras.Model`.

    Each feature layer turns raw values into a vector, `interaction` combines the vectors, and
    `head` computes the score from the result. A layer under two feature names is shared.

    Args:
        features: Feature name to layer, which reads the raw column of that name. To read another
            column, pass `(source, layer)`; for a layer with several inputs, `(sources, layer)`.
            A layer takes raw values and has a `feature_spec`, the `tf.TensorSpec` of these values
            with the batch axis first. Set this attribute to use a Keras layer as a feature layer.
        head: Layer or model from the combined vector `(batch, dim)` to the score `(batch, 1)`,
            such as `rankkit.layers.DenseRatingHead`, or to a dict that contains `score`. For
            several objectives, a dict of heads by name. Defaults to `None`: the interaction
            returns the score.
        interaction: Layer of `rankkit.interactions`, or any layer or function from the list of
            vectors, in the order of `features`, to one vector or to a dict with one vector per
            head. Defaults to `None`, concatenation.
        score: How candidates are ranked if there are several heads: a dict of weights by head, or
            a layer or function of the dict of head scores. Defaults to `None`, for a single head.
        name: Name of the model. Defaults to `"ranking_network"`.

    Returns:
        A model whose only input is a dict of raw features, each of shape `(batch, ...)`, and
        whose output has shape `(batch, 1)`. With several heads, or a head that returns a dict, the
        output is a dict: `score`, the score of each head by name, and any other output of a head
        as `<head>_<output>`.

    Raises:
        ValueError: If there are no features, a name is not valid in a TensorFlow graph, two layers
            read a column as different types, several heads have no `score`, `score` names an
            unknown head, or a layer reads raw numbers in half precision.
        TypeError: If a value of `features` is not a feature layer.

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
    parsed = as_features(features)
    check_text("name", name)
    if head is None and interaction is None:
        raise ValueError(
            "Pass a head, or an interaction that returns the score. "
            "Got: head=None and interaction=None."
        )
    is_multi_head = isinstance(head, Mapping)
    if score is not None and not is_multi_head:
        fix = "To combine several heads, pass head as a dict of heads by name."
        raise invalid("score", score, "None because there is a single head", fix)
    heads = check_heads(head, score, parsed) if is_multi_head else {"head": head}
    for role, part in {**heads, "interaction": interaction}.items():
        if part is not None and (not callable(part) or of_keras_3(part)):
            raise wrong_type(role, part, "a tf.keras layer or a function", keras_fix(part))
    inputs = {
        name: tf.keras.Input(shape=spec.shape[1:], dtype=spec.dtype, name=name)
        for name, spec in raw_specs(parsed).items()
    }
    vectors = []
    for key, feature in parsed.items():
        raw = [inputs[source] for source in feature.sources]
        vectors.append(apply_layer(key, feature.layer, raw, first_layer(feature.layer)))
    combined = (interaction or concatenate)(vectors)
    if isinstance(head, Mapping):
        outputs = apply_heads(heads, combined, score)
    else:
        outputs = combined if head is None else head(combined)
    if isinstance(outputs, Mapping) and (shared := set(outputs) & set(inputs)):
        raise ValueError(
            f"The network has both a feature and an output named {min(shared)!r}. "
            "Rename the column of the feature."
        )
    network = tf.keras.Model(inputs, outputs, name=name)
    check_raw_precision(network)
    return network


def first_layer(layer: tf.keras.layers.Layer) -> tf.keras.layers.Layer:
    """Returns the layer that reads the input of a layer, which may be a Sequential model."""
    while isinstance(layer, tf.keras.Sequential):
        layer = layer.layers[0]
    return layer


def feature_specs(network: tf.keras.Model) -> dict[str, tf.TensorSpec]:
    """Returns the `tf.TensorSpec` of each raw feature of a network, the batch axis first."""
    if not isinstance(getattr(network, "input", None), Mapping):
        expected = "a Functional tf.keras.Model with one dict as its input"
        raise wrong_type("network", network, expected, "Build it with rankkit.ranking_network.")
    return {
        name: tf.TensorSpec(tensor.shape, tensor.dtype, name)
        for name, tensor in network.input.items()
    }


def find_feature_layers(
    network: tf.keras.Model, feature: str
) -> list[tuple[tf.keras.layers.Layer, int]]:
    """Finds the layers that read a raw feature, each with its position among their inputs."""
    return _readers(network, network.input[feature])


def sources(network: tf.keras.Model, layer: Any) -> list[str]:
    """Returns the raw features that a layer reads, in the order of its inputs."""
    found = {
        position: name
        for name in network.input
        for reader, position in find_feature_layers(network, name)
        if reader is layer
    }
    return [found[position] for position in sorted(found)]


def _readers(network: tf.keras.Model, tensor: Any) -> list[tuple[tf.keras.layers.Layer, int]]:
    found = []
    for layer in network.layers:
        for position in input_positions(layer, tensor):
            if isinstance(layer, tf.keras.Model) and isinstance(layer.input, Mapping):
                # Keras sorts the tensors of a dict by name.
                found += find_feature_layers(layer, sorted(layer.input)[position])
            elif isinstance(layer, FiniteNumbers):
                found += _readers(network, layer.output)
            else:
                found.append((layer, position))
    return found


@tf.autograph.experimental.do_not_convert
def select_features(
    columns: Mapping[str, Any], specs: Mapping[str, tf.TensorSpec]
) -> dict[str, tf.Tensor]:
    """Selects the features of `specs` from a batch of columns, as tensors of equal length."""
    if not isinstance(columns, Mapping):
        columns = table_tensors(columns, specs)
    expected = "a dict of column name to values, or a DataFrame"
    if specs:
        check_features(specs, check_mapping("columns", columns, expected))
    features = {name: as_feature(name, columns[name], spec) for name, spec in specs.items()}
    for name in (name for name in features if tf.is_tensor(columns[name])):
        check_utf8(name, features[name])
    return features if is_step_in_memory() else _of_equal_length(features)


def _of_equal_length(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns features after a check of their lengths, at once where these are known.

    A column of one row would be repeated by some layers.
    """
    message, fix = (
        "Columns must have equal lengths. Got: ",
        "Pass one value per row in each column.",
    )
    lengths = {name: value.shape[0] for name, value in features.items()}
    if None in lengths.values():
        sizes = [
            tf.size(value) if value.shape.rank == 1 else tf.shape(value)[0]
            for value in features.values()
        ]
        shown = chain.from_iterable(
            (f"{name!r}: ", size, ", ") for name, size in zip(features, sizes, strict=True)
        )
        equal = tf.reduce_all(tf.stack(sizes) == sizes[0])
        with tf.control_dependencies([assert_in_graph(equal, message, *[*shown][:-1], f". {fix}")]):
            return {name: tf.identity(value) for name, value in features.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{message}{lengths}. {fix}")
    return features
