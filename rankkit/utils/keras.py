"""Adapter to attributes of tf_keras that have no public equivalent.

- `Layer._autocast`: whether a layer casts its input to the dtype it computes in.
- `Layer._random_generator`: the random generator of stochastic layers.
- `MeanMetricWrapper._fn`: the function whose mean a metric reports.
- `Metric._name`: the name of a metric, which `fit` reports it by.
- `Model._train_counter` and `Model._test_counter`: the steps that `fit` and `evaluate` have run,
  at which TensorBoard writes the values of batches.
- `Optimizer._index_dict` and `Optimizer._var_key`, `Adam._momentums` and `Adam._velocities`: the
  index of a weight in the optimizer, and the moments at that index.
- `Model._eval_data_handler`: the reader of validation data in `fit`, which Keras keeps and uses
  again in the next `fit` if the first one was interrupted.

`tests/utils/test_keras.py` has a test for each of them.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf


def casts_inputs(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer casts floating-point inputs to the dtype it computes in."""
    return layer._autocast


def is_stochastic(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer is stochastic, such as dropout."""
    return hasattr(layer, "_random_generator")


def function_of(metric: Any) -> Any:
    """The function that a metric wraps; returns other objects unchanged."""
    return getattr(metric, "_fn", metric)


def rename_metric(metric: tf.keras.metrics.Metric, name: str) -> None:
    """Changes the name of a metric, which Keras sets at creation only."""
    metric._name = name


def moments_of(
    optimizer: tf.keras.optimizers.Adam, variable: tf.Variable
) -> tuple[tf.Variable, tf.Variable]:
    """The first and the second moment of a weight in the shape of the weight."""
    index = optimizer._index_dict[optimizer._var_key(variable)]
    return optimizer._momentums[index], optimizer._velocities[index]


def optimized_indices(optimizer: Any, weights: Sequence[tf.Variable]) -> list[int] | None:
    """Indices of the weights that an optimizer has variables of, in its order; none before `build`.

    Returns `None` if it is unknown, such as for legacy optimizers.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, tf.keras.optimizers.Optimizer):
        return None
    indices = {optimizer._var_key(weight): index for index, weight in enumerate(weights)}
    optimized = getattr(optimizer, "_index_dict", ())
    return [indices[key] for key in optimized] if indices.keys() >= set(optimized) else None


def count_steps(model: tf.keras.Model, kind: str, steps: int) -> None:
    """Counts steps of training (kind "train") or evaluation ("test") that Keras does not run."""
    getattr(model, f"_{kind}_counter").assign_add(steps)


def forget_validation_data(model: tf.keras.Model) -> None:
    """Drops the validation data that Keras keeps after an interrupted `fit`."""
    if hasattr(model, "_eval_data_handler"):
        model._eval_data_handler = None
