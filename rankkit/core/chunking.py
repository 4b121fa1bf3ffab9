"""Number of examples that are scored in one chunk."""

import math
from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import outputs_of_layer

# Enough to keep the matrix products busy, few enough for the memory.
_MOST_ROWS, _FEWEST_ROWS, _UNKNOWN_WIDTH_ROWS = 65_536, 1_024, 16_384
_NUMBERS = 2**26  # outputs of all layers, summed over these rows


def chunk_rows(scorer: Any) -> int:
    """The number of rows to score in one chunk: fewer for a network with wide layers."""
    network = getattr(scorer, "network", scorer)
    if not isinstance(network, tf.keras.Model):
        return _UNKNOWN_WIDTH_ROWS
    return max(_FEWEST_ROWS, min(_MOST_ROWS, _NUMBERS // max(1, numbers_a_row(network))))


def numbers_a_row(network: tf.keras.Model) -> int:
    """The number of output values of all layers of a network for one row."""
    outputs = [outputs_of_layer(layer) for layer in network.layers]
    shapes = [list(each.shape)[1:] for each in tf.nest.flatten(outputs) if each.shape.rank]
    return sum(math.prod(size or 1 for size in shape) for shape in shapes)
