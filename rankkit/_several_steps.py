"""Several steps over an iterator in one call of the graph."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def traced_once(make_function: Callable[..., Any], steps: tf.Variable) -> Any:
    """Makes a function of several steps in which a step is traced once; Keras traces it twice.

    Args:
        make_function: Keras's maker of such a function.
        steps: How many there are in a call.
    """
    number = int(steps.numpy())
    steps.assign(1)
    try:
        one_step = make_function(force=True)
    finally:
        steps.assign(number)

    @tf.function(reduce_retracing=True)
    def several_steps(iterator: Any) -> Any:
        logs = one_step(iterator)
        for _ in tf.range(1, steps):
            logs = one_step(iterator)
        return logs

    return several_steps
