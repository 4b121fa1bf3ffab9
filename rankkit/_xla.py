"""Whether the steps over rows in memory are compiled by XLA."""

import types
from typing import Any

import tensorflow as tf

from rankkit._gradients import of_all_rows, takes_either
from rankkit._loop import Loop
from rankkit._own_code import is_own

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
