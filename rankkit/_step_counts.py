"""How many steps may go into one call of the graph."""

from typing import Any

import tensorflow as tf

from rankkit._loop import Loop
from rankkit._row_chunks import chunk_rows

# Those that are told of each batch and do as well with fewer calls, for several.
_PATIENT = (tf.keras.callbacks.ProgbarLogger, tf.keras.callbacks.TerminateOnNaN)


def steps_of_a_call(model: Any, loop: Loop, callbacks: Any, hooks: str) -> int:
    """Chooses how many steps go into a call: some ten thousand rows, fewer of wide networks.

    Args:
        model: What is trained or evaluated.
        loop: What runs the steps.
        callbacks: What is told of the batches, as `fit` takes it.
        hooks: `"train"` or `"test"`, which batches it is told of.
    """
    listed = getattr(callbacks, "callbacks", callbacks)  # Keras's own list of them
    if any(_waits_for_each_batch(each, hooks) for each in tf.nest.flatten(listed or ())):
        return 1
    return min(loop.steps, max(1, chunk_rows(model) // loop.rows_a_step))


def _waits_for_each_batch(callback: Any, hooks: str) -> bool:
    if type(callback) in _PATIENT:
        return False
    if type(callback) is tf.keras.callbacks.TensorBoard:
        return callback.update_freq != "epoch"
    asked = getattr(callback, f"_implements_{hooks}_batch_hooks", None)
    return asked is None or asked()
