"""The scores of a batch in a training or test step, and the labels that they are compared with."""

import itertools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.list_context import rows_of
from rankkit.losses import NextItemLoss
from rankkit.models.finite import finite_features
from rankkit.models.heads import SCORE, HeadSettings
from rankkit.models.network import feature_specs, select_features, sources
from rankkit.training.batch import Batch, weighted_columns
from rankkit.training.objective import Objectives


def forward(
    model: Any, heads: HeadSettings, objectives: Objectives, inputs: Any, training: bool
) -> tuple[dict[Any, Batch], dict[str, Any]]:
    """Returns the parts of a batch by head, and the outputs for its rows by name."""
    if objectives.next_item_loss is not None:
        return _predict_items(model, heads, objectives.next_item_loss, inputs, training)
    biases = heads.biases if training else {}
    bias_specs = [feature_specs(bias) for bias in biases.values()]
    names = dict.fromkeys(itertools.chain(model.feature_specs, *bias_specs))
    batches = objectives.take_apart(inputs, names)
    batch = next(iter(batches.values()))
    with rows_of(batch.lists):
        outputs = model(batch.features, training=training)
        outputs = dict(outputs) if isinstance(outputs, Mapping) else {SCORE: outputs}
        for (head, bias), columns in zip(biases.items(), bias_specs, strict=True):
            name, features = heads.outputs[head][SCORE], batch.features
            features = finite_features(bias, select_features(features, columns))
            added = bias(features, training=True)
            outputs[name] = tf.cast(outputs[name], tf.float32) + tf.cast(added, tf.float32)
    return batches, outputs


def _predict_items(
    model: Any, heads: HeadSettings, loss: NextItemLoss, inputs: Any, training: bool
) -> tuple[dict[Any, Batch], dict[str, Any]]:
    """The log-probabilities of all items of the sequences of a batch, one item a row."""
    columns, weights = weighted_columns(inputs, heads.weights[None])
    network, layer = model.network, heads.layers[None]
    features = finite_features(network, select_features(columns, model.feature_specs))
    found, rows = layer.log_probabilities(
        [features[name] for name in sources(network, layer)],
        num_targets=loss.num_targets,
        target_decay=loss.target_decay,
        num_negatives=loss.num_negatives if training else None,
        weights=weights,
        training=training,
    )
    weights = None if weights is None else tf.gather(weights, rows)
    scores = tf.expand_dims(found, 1)
    return {None: Batch(features, tf.ones_like(scores), weights)}, {SCORE: scores}
