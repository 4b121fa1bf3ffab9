"""Measured choices: steps per execution, XLA and dense updates."""

import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.training.loop import Loop
from rankkit.training.step import of_all_rows, takes_either
from rankkit.utils.tensorflow import is_own

# Measured on two cores with a head of 256 and 64 units: compiling takes about a second more than
# tracing, and saves 0.2 ms of a step of 256 rows, 1 ms of one of 1,024 or 4,096, and nothing of one
# of 8,192. So many rows are worth three times that second, those of wide steps counted once.
_FEWEST_ROWS, _COUNTED_ROWS, _MOST_ROWS_A_STEP = 4_000_000, 1_024, 4_096
_MOST_NUMBERS = 2**22  # of all tables
_MOST_WEIGHTS = 2**16  # of the rest; products with large kernels are slower by XLA
_CODE = (types.FunctionType, tf.keras.regularizers.Regularizer, tf.keras.constraints.Constraint)
_OF_FUNCTIONS = ("Lambda", "SlicingOpLambda", "TFOpLambda")  # which may be anyone's


def most_dense_rows(rows_a_step: int, *, compiled: bool) -> int:
    """Gives up to how many rows a table is best updated whole, of those that need not be.

    Measured with 32 numbers a row on two cores and Adagrad: 1.2 to 1.5 times as fast for tables of
    up to twice the batch, and slower above; compiled by XLA, 1.6 times for ten times the batch and
    0.8 for thirty times.

    Args:
        rows_a_step: Rows of the data a step.
        compiled: Whether XLA compiles it.
    """
    return (20 if compiled else 2) * rows_a_step


def pays_to_compile(model: Any, loop: Loop, epochs: float, callbacks: Any) -> bool:
    """Whether training is so long, and its steps so small, that compiling them is worth its time.

    And whether the numbers stay the same: not with layers that draw random numbers, nor with an
    optimizer to which it makes a difference whether a table is updated whole.

    Args:
        model: What is trained.
        loop: What would run the steps.
        epochs: How many there are to be.
        callbacks: As `fit` takes them. Of epochs that one may cut short, a quarter is counted.
    """
    listed = getattr(callbacks, "callbacks", callbacks)  # Keras's own list of them
    if any(isinstance(each, tf.keras.callbacks.EarlyStopping) for each in tf.nest.flatten(listed)):
        epochs /= 4
    rows = loop.steps * epochs * min(loop.rows_a_step, _COUNTED_ROWS)
    if not loop.is_compilable or rows < _FEWEST_ROWS or loop.rows_a_step > _MOST_ROWS_A_STEP:
        return False
    # Values that are not looked up ahead are checked in steps, which XLA leaves out. Of several
    # heads, rows without a label are left out, in shapes that XLA is slow with.
    if loop.reads_raw or len(model.tasks) > 1 or not takes_either(model.optimizer):
        return False
    parts = [part for part in model.submodules if isinstance(part, tf.keras.layers.Layer)]
    if model.runs_own_code or any(map(_is_special, parts)) or _has_gpu():
        return False
    tables = [part for part in parts if isinstance(part, tf.keras.layers.Embedding)]
    in_tables = sum(table.count_params() for table in tables)
    if in_tables > _MOST_NUMBERS or model.count_params() - in_tables > _MOST_WEIGHTS:
        return False
    most = most_dense_rows(loop.rows_a_step, compiled=True)
    return of_all_rows(model.optimizer) or all(table.input_dim <= most for table in tables)


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))  # where none of this was measured


def _is_special(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer draws random numbers, or runs code that is no library's."""
    if hasattr(layer, "_random_generator") or type(layer).__name__ in _OF_FUNCTIONS:
        return True
    given = [part for part in vars(layer).values() if isinstance(part, _CODE)]
    code = [part if isinstance(part, types.FunctionType) else type(part) for part in given]
    return any(map(is_own, [type(layer), *code]))


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
