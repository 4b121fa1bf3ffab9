"""Whether a network outputs logits or probabilities, from the graph that computes its score."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.keras_graph import call_of, is_functional, is_symbolic, operation_of
from rankkit.layers import DenseRatingHead, EnsembleMean, OrdinalHead, WeightedScore
from rankkit.utils.tensorflow import is_user_code

_Range = tuple[float, float]
_UNBOUNDED: _Range = (-math.inf, math.inf)
_HEADS = (DenseRatingHead, EnsembleMean, OrdinalHead, WeightedScore)


def outputs_logits(score: Any) -> bool | None:
    """Whether a symbolic score of a network is a logit, that is, not bounded to [0, 1].

    `None` if its graph does not show it, as after a `Lambda` or a custom layer. Such a layer can
    declare its range by an attribute `rating_range`, such as `(0.0, 1.0)` for probabilities.
    """
    found = _range_of(score)
    return None if found is None else found[0] < 0.0 or found[1] > 1.0


def _range_of(value: Any) -> _Range | None:
    """The range of the values of a symbolic tensor or a constant; `None` if it is unknown."""
    if not is_symbolic(value):
        is_constant = tf.is_tensor(value) or isinstance(value, int | float | np.number)
        return (float(np.min(value)), float(np.max(value))) if is_constant else None
    layer, args, kwargs, outputs = call_of(value)
    if is_functional(layer) or type(layer) is tf.keras.Sequential:
        index = next(i for i, each in enumerate(tf.nest.flatten(outputs)) if each is value)
        return _range_of(tf.nest.flatten(layer.output)[index])
    is_own = is_user_code(type(layer))
    if is_own and is_user_code(type(layer).call) and isinstance(layer, _HEADS):
        return None  # a subclass of a head with its own call
    if isinstance(layer, OrdinalHead):
        return layer.levels[0], layer.levels[-1]
    if hasattr(layer, "rating_range"):
        return layer.rating_range or _UNBOUNDED
    if isinstance(layer, WeightedScore):
        terms = [[(w, w), _range_of(args[0][name])] for name, w in layer.weights_by_head.items()]
        return _combined(_sum, [_combined(_product, each) for each in terms])
    if is_own:
        return None
    inputs = [each for each in tf.nest.flatten((args, kwargs)) if not isinstance(each, str | None)]
    name = operation_of(layer) or type(layer).__name__
    if name in ("Activation", "Dense"):
        is_known = not is_user_code(layer.activation)
        function = getattr(layer.activation, "__name__", "") if is_known else ""
        if function not in ("linear", "identity"):
            return _FUNCTIONS.get(function)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    if name in _ARITHMETIC:
        return _combined(_ARITHMETIC[name], list(map(_range_of, inputs)))
    if isinstance(layer, EnsembleMean) or name in SELECTIONS:
        tensors = filter(is_symbolic, inputs)  # not axes and shapes
        rule = _common if name in ("Concatenate", "concat", "stack") else _hull
        return _combined(rule, list(map(_range_of, tensors)))
    if name in ("Dot", "matmul", "reduce_sum"):  # of bounded values, the sum may be a mixture
        ranges = map(_range_of, inputs)
        return _UNBOUNDED if _UNBOUNDED in ranges else None
    return _UNBOUNDED if type(layer).__module__.startswith("rankkit.") else None


def _combined(
    rule: Callable[[list[_Range]], _Range | None], ranges: list[_Range | None]
) -> _Range | None:
    """Applies a rule unless a range is unknown."""
    known = [each for each in ranges if each is not None]
    return rule(known) if len(known) == len(ranges) else None


def _sum(ranges: list[_Range]) -> _Range:
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def _difference(ranges: list[_Range]) -> _Range:
    (low, high), (other_low, other_high) = ranges
    return low - other_high, high - other_low


def _product(ranges: list[_Range]) -> _Range:
    corners = [math.prod(each) for each in itertools.product(*ranges)]
    corners = [0.0 if math.isnan(each) else each for each in corners]  # 0 * infinity
    return min(corners), max(corners)


def _maximum(ranges: list[_Range]) -> _Range:
    return max(low for low, _ in ranges), max(high for _, high in ranges)


def _minimum(ranges: list[_Range]) -> _Range:
    return min(low for low, _ in ranges), min(high for _, high in ranges)


def _exponential(ranges: list[_Range]) -> _Range:
    [(low, high)] = ranges
    return float(np.exp(low)), float(np.exp(high))


def _common(ranges: list[_Range]) -> _Range | None:
    """The range of parts of which a later layer may select some."""
    return ranges[0] if len(set(ranges)) == 1 else None


def _hull(ranges: list[_Range]) -> _Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)


# Layers and activations of Keras and functions of TensorFlow, by name.
_FUNCTIONS: dict[str, _Range] = {
    **dict.fromkeys(("sigmoid", "hard_sigmoid", "softmax"), (0.0, 1.0)),
    **dict.fromkeys(("tanh", "softsign"), (-1.0, 1.0)),
    **dict.fromkeys(("relu", "softplus", "exponential"), (0.0, math.inf)),
    **dict.fromkeys(("Dense", "Embedding"), _UNBOUNDED),
}
_ARITHMETIC = {
    **dict.fromkeys(("Add", "add", "add_n"), _sum),
    **dict.fromkeys(("Subtract", "subtract"), _difference),
    **dict.fromkeys(("Multiply", "multiply"), _product),
    **dict.fromkeys(("Maximum", "maximum"), _maximum),
    **dict.fromkeys(("Minimum", "minimum"), _minimum),
    "exp": _exponential,
}
SELECTIONS = {"Activation", "Average", "Concatenate", "Dropout", "Flatten", "Permute", "Reshape"}
SELECTIONS |= {"cast", "concat", "expand_dims", "getitem", "identity", "reduce_max", "reduce_mean"}
SELECTIONS |= {"FiniteNumbers", "reduce_min", "reshape", "squeeze", "stack", "stop_gradient"}
