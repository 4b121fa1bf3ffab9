"""`ranking_network`: from feature layers to a Keras Functional model."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.features import Feature, as_feature, as_features, keras_fix, of_keras_3, raw_specs
from rankkit.interactions import concatenate
from rankkit.models.heads import check_heads, outputs_of
from rankkit.utils.errors import invalid, missing, wrong_type


def ranking_network(
    features: Mapping[str, Any],
    *,
    head: Callable[[Any], Any] | Mapping[str, Callable[[Any], Any]] | None = None,
    interaction: Callable[[list], Any] | None = None,
    score: Mapping[str, float] | Callable[[dict], Any] | None = None,
    name: str = "ranking_network",
) -> tf.keras.Model:
    """Builds the network that scores a row: a plain Functional `tf.keras.Model`.

    Each feature goes through its layer, the vectors meet in `interaction`, and `head` makes the
    score of what comes out. One layer under two names is shared between them.

    Args:
        features: Feature name to layer, which reads the raw column of that name; or to
            `(source, layer)`, to read a column of another name, or to `(sources, layer)` for a
            layer that reads several. A layer takes the raw value and has a `feature_spec`, the
            `tf.TensorSpec` of that raw value with the batch axis first. Layers of Keras itself
            become feature layers when that attribute is set on them.
        head: Layer or model from the joined vector `(batch, width)` to the score `(batch, 1)`,
            such as `rankkit.layers.DenseRatingHead`, or to a dict with `score` in it; or a dict of
            such heads by name, one for each objective. Defaults to `None`: the interaction gives
            the score itself.
        interaction: Layer of `rankkit.interactions`, or a layer or function of your own, from the
            list of vectors, in the order of `features`, to one vector, or to a dict with one for
            each head. Defaults to `None`, which puts them side by side.
        score: What candidates are ranked by, if there are several heads: name of the head to
            weight, or a layer or function of the dict of their scores. Defaults to `None`, for a
            single head.
        name: Name of the model. Defaults to `"ranking_network"`.

    Returns:
        A model whose only input is a dict of raw features, each of shape `(batch, ...)`, and
        whose output has shape `(batch, 1)`. With several heads, or one that gives a dict, it is a
        dict: `score`, the score of each head by its name, and whatever else the head `name` gives
        as `name_...`.

    Raises:
        ValueError: If there are no features, a name cannot stand in a TensorFlow graph, or two
            layers read one column as of different kinds; if there are several heads and no score,
            or a score of unknown heads.
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
    read = as_features(features)
    if head is None and interaction is None:
        raise invalid("head", None, "given, where there is no interaction that scores")
    several = isinstance(head, Mapping)
    if score is not None and not several:
        raise invalid("score", score, "None, as there is a single head")
    heads = check_heads(head, score, read) if several else {"head": head}
    for role, part in {**heads, "interaction": interaction}.items():
        if part is not None and (not callable(part) or of_keras_3(part)):
            raise wrong_type(role, part, "a tf.keras layer or a function", keras_fix(part))
    inputs = {
        name: tf.keras.Input(shape=spec.shape[1:], dtype=spec.dtype, name=name)
        for name, spec in raw_specs(read).items()
    }
    vectors = [_vector(feature, inputs) for feature in read.values()]
    joined = (interaction or concatenate)(vectors)
    if isinstance(head, Mapping):
        outputs = outputs_of(heads, joined, score)
    else:
        outputs = joined if head is None else head(joined)
    if isinstance(outputs, Mapping) and (taken := set(outputs) & set(inputs)):
        fix = "The network has an output of that name: rename the column."
        raise invalid("feature name", min(taken), "none of the outputs' names", fix)
    return tf.keras.Model(inputs, outputs, name=name)


def _vector(feature: Feature, inputs: Mapping[str, Any]) -> Any:
    raw = [inputs[source] for source in feature.sources]
    return feature.layer(raw[0] if len(raw) == 1 else raw)


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


def readers(network: tf.keras.Model, feature: str) -> list[tuple[tf.keras.layers.Layer, int]]:
    """Gives the layers that take a raw feature, each with the feature's place among its inputs.

    Args:
        network: A network of `ranking_network`, or one of several.
        feature: Name of one of its raw features.
    """
    tensor = network.input[feature]
    found = [
        (layer, place)
        for layer in network.layers
        if not isinstance(layer, tf.keras.layers.InputLayer)
        for node in layer.inbound_nodes  # those in other models take other tensors
        for place, taken in enumerate(node.keras_inputs)
        if taken is tensor
    ]
    within: list[tuple[tf.keras.layers.Layer, int]] = []
    for layer, place in found:
        is_network = isinstance(layer, tf.keras.Model) and isinstance(layer.input, Mapping)
        # A dict's tensors come in the order of their names.
        within += readers(layer, sorted(layer.input)[place]) if is_network else [(layer, place)]
    return within


@tf.autograph.experimental.do_not_convert
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
    return {name: as_feature(name, columns[name], spec) for name, spec in specs.items()}
