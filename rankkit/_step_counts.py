"""How many steps may go into one call of the graph."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit._loop import Loop
from rankkit._row_chunks import chunk_rows

# Those that are told of each batch and do as well with fewer calls, for several.
_USUAL_ROWS = 1_024  # a step, where the batches do not say
_PATIENT = (tf.keras.callbacks.ProgbarLogger, tf.keras.callbacks.TerminateOnNaN)


def steps_of_a_call(model: Any, loop: Loop, callbacks: Any, hooks: str) -> int:
    """Chooses how many steps go into a call: some ten thousand rows, fewer of wide networks.

    Args:
        model: What is trained or evaluated.
        loop: What runs the steps.
        callbacks: What is told of the batches, as `fit` takes it.
        hooks: `"train"` or `"test"`, which batches it is told of.
    """
    if _any_waits(callbacks, hooks):
        return 1
    return min(loop.steps, max(1, chunk_rows(model) // loop.rows_a_step))


def steps_over_iterator(model: Any, x: Any, kwargs: Mapping[str, Any], hooks: str) -> int:
    """Chooses how many steps over batches from an iterator go into a call.

    One where it is not known that there are as many as are asked for: a call that ran out of them
    would have nothing to report.

    Args:
        model: What is trained or evaluated.
        x: The batches.
        kwargs: Keyword arguments of `fit` or `evaluate`.
        hooks: As for `steps_of_a_call`.
    """
    if not isinstance(x, tf.data.Dataset) or _any_waits(kwargs.get("callbacks"), hooks):
        return 1
    count = int(x.cardinality())
    asked = kwargs.get("steps_per_epoch" if hooks == "train" else "steps")
    if asked is not None:
        epochs = kwargs.get("epochs", 1) - kwargs.get("initial_epoch", 0) if hooks == "train" else 1
        enough = count == tf.data.INFINITE_CARDINALITY or count >= asked * epochs
        count = asked if enough else 1
    shapes = [getattr(spec, "shape", None) for spec in tf.nest.flatten(x.element_spec)]
    sizes = [shape[0] for shape in shapes if shape is not None and shape.rank]
    rows = next((size for size in sizes if size), _USUAL_ROWS)
    return max(1, min(count, chunk_rows(model) // rows))


def _any_waits(callbacks: Any, hooks: str) -> bool:
    listed = getattr(callbacks, "callbacks", callbacks)  # Keras's own list of them
    return any(_waits_for_each_batch(each, hooks) for each in tf.nest.flatten(listed or ()))


def _waits_for_each_batch(callback: Any, hooks: str) -> bool:
    if type(callback) in _PATIENT:
        return False
    if type(callback) is tf.keras.callbacks.TensorBoard:
        return callback.update_freq != "epoch"
    asked = getattr(callback, f"_implements_{hooks}_batch_hooks", None)
    return asked is None or asked()
