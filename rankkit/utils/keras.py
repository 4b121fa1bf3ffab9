"""Adapter to attributes of tf_keras that have no public equivalent.

- `Layer._random_generator`: the generator of layers that draw random numbers.
- `MeanMetricWrapper._fn`: the function whose mean a metric reports.
- `Metric._name`: the name of a metric, which `fit` reports it by.
- `Model._train_counter` and `Model._test_counter`: the steps that `fit` and `evaluate` have run,
  at which TensorBoard writes the values of batches.

`tests/utils/test_keras.py` has a test for each of them.
"""

from typing import Any

import tensorflow as tf


def draws_random_numbers(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer draws random numbers, as dropout does."""
    return hasattr(layer, "_random_generator")


def function_of(metric: Any) -> Any:
    """The function that a metric wraps; anything else as it is."""
    return getattr(metric, "_fn", metric)


def rename_metric(metric: tf.keras.metrics.Metric, name: str) -> None:
    """Changes the name of a metric, which Keras sets at creation only."""
    metric._name = name


def count_steps(model: tf.keras.Model, kind: str, steps: int) -> None:
    """Count steps of training (kind "train") or evaluation ("test") that Keras does not run."""
    getattr(model, f"_{kind}_counter").assign_add(steps)
