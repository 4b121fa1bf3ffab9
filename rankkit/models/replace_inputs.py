"""A network whose numbers are computed from other raw columns."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_features, raw_specs
from rankkit.models.network import feature_specs
from rankkit.utils.errors import check_known, invalid


def replace_inputs(network: tf.keras.Model, features: Mapping[str, Any]) -> tf.keras.Model:
    """Builds a network that computes some features of a trained network from other columns.

    It shares the layers and weights of the given network. So a network that was trained on a column
    of out-of-fold numbers, such as those of `rankkit.layers.TargetEncoding`, is evaluated, exported
    and served with raw ids.

    Args:
        network: A network of `rankkit.ranking_network`, or the `network` of a model.
        features: Feature of the network to `(source, layer)` or `(sources, layer)`, as in
            `rankkit.ranking_network`. A source may be a feature of the network.

    Returns:
        A network over the other features and the sources.

    Raises:
        ValueError: If the network has no such feature, the output of a layer has another shape or
            type than the feature, or two layers read a column as different types.
        TypeError: If `network` is not a Keras model with one dict as its input, or a value of
            `features` is not a feature layer.

    Example:
        >>> import rankkit as rk
        >>> items, clicks = ["a", "a", "b", "b"], [1.0, 1.0, 0.0, 1.0]
        >>> rate, encoding = rk.layers.TargetEncoding.out_of_fold(items, clicks, num_folds=2)
        >>> number = rk.layers.NormalizedNumber.from_column(rate)
        >>> network = rk.models.tower({"item_rate": number}, hidden_units=[4])  # to be trained
        >>> served = rk.models.replace_inputs(network, {"item_rate": ("item_id", encoding)})
        >>> sorted(served.input)
        ['item_id']
    """
    specs, replaced = feature_specs(network), as_features(features)
    check_known("feature of the network", replaced, specs)
    kept = {name: spec for name, spec in specs.items() if name not in replaced}
    raw = raw_specs(replaced)
    for name in raw.keys() & kept.keys():
        if (raw[name].dtype, raw[name].shape) != (kept[name].dtype, kept[name].shape):
            raise invalid(f"the spec of column {name!r}", raw[name], f"{kept[name]}, as in network")
    inputs = {
        name: tf.keras.Input(shape=spec.shape[1:], dtype=spec.dtype, name=name)
        for name, spec in {**kept, **raw}.items()
    }
    columns = {name: inputs[name] for name in kept}
    for name, (sources, layer) in replaced.items():
        given = [inputs[source] for source in sources]
        output, spec = layer(given[0] if len(given) == 1 else given), specs[name]
        shapes = spec.shape[1:], [*spec.shape[1:], 1]
        if output.dtype != spec.dtype or output.shape[1:] not in shapes:
            got = f"{output.dtype.name} of shape {tuple(output.shape)}"
            expected = f"{spec.dtype.name} of shape {tuple(spec.shape)}, as feature {name!r}"
            is_half = output.dtype.is_floating and output.dtype != spec.dtype
            fix = "Create the layer with dtype='float32'." if is_half else ""
            raise invalid(f"the output of layer {layer.name!r}", got, expected, fix)
        if output.shape.rank > spec.shape.rank:
            output = tf.keras.layers.Reshape(spec.shape[1:], name=f"{name}_number")(output)
        columns[name] = output
    return tf.keras.Model(inputs, network(columns), name=network.name)
