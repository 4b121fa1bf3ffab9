"""Defaults from benchmarks: steps per execution, compilation with XLA, and dense updates."""

import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.training.loop import Loop
from rankkit.training.step import accepts_dense_and_sparse, updates_all_rows
from rankkit.utils.keras import is_stochastic
from rankkit.utils.tensorflow import is_user_code

# --- Steps per execution ---

_USUAL_BATCH_SIZE = 1_024  # for batches of unknown size
# Their hooks for batches work with several steps per execution.
_WITHOUT_LIMIT = (tf.keras.callbacks.ProgbarLogger, tf.keras.callbacks.TerminateOnNaN)
_SAVING = (tf.keras.callbacks.ModelCheckpoint, tf.keras.callbacks.BackupAndRestore)


def steps_in_memory(model: Any, loop: Loop, kwargs: Mapping[str, Any], kind: str) -> int:
    """Chooses the steps per execution of a loop: up to 65,536 rows, fewer if layers are wide."""
    limit = _step_limit(kwargs, kind)
    return min(loop.steps, limit or max(1, chunk_rows(model) // loop.rows_a_step))


def steps_over_iterator(model: Any, data: Any, kwargs: Mapping[str, Any], kind: str) -> int:
    """Chooses the steps per execution over an iterator: 1 unless it surely has enough batches."""
    # An execution that runs out of batches returns no metrics.
    limit = _step_limit(kwargs, kind)
    if not isinstance(data, tf.data.Dataset) or limit == 1:
        return 1
    count = int(data.cardinality())
    asked = kwargs.get("steps_per_epoch" if kind == "train" else "steps")
    if asked is not None:
        epochs = kwargs.get("epochs", 1) - kwargs.get("initial_epoch", 0) if kind == "train" else 1
        enough = count == tf.data.INFINITE_CARDINALITY or count >= asked * epochs
        count = asked if enough else 1
    shapes = [getattr(spec, "shape", None) for spec in tf.nest.flatten(data.element_spec)]
    sizes = [shape[0] for shape in shapes if shape is not None and shape.rank]
    batch_size = next((size for size in sizes if size), _USUAL_BATCH_SIZE)
    return max(1, min(count, limit or chunk_rows(model) // batch_size))


def _step_limit(kwargs: Mapping[str, Any], kind: str) -> int | None:
    """The maximum number of steps per execution for a call, `None` without a limit."""
    reads_to_the_end = kind == "train" and kwargs.get("validation_steps") is None
    if reads_to_the_end and is_of_unknown_size(kwargs.get("validation_data")):
        return 1  # Keras reads validation data with the steps per execution of training
    callbacks = kwargs.get("callbacks")
    listed = getattr(callbacks, "callbacks", callbacks)  # a list, or Keras's CallbackList
    limits = [_limit_of(each, kind) for each in tf.nest.flatten(listed or ())]
    return min((limit for limit in limits if limit is not None), default=None)


def is_of_unknown_size(data: Any) -> bool:
    """Whether the number of batches is unknown until they have been read."""
    if isinstance(data, tf.data.Dataset):
        return int(data.cardinality()) == tf.data.UNKNOWN_CARDINALITY
    return hasattr(data, "__next__")


def _limit_of(callback: Any, kind: str) -> int | None:
    if kind == "train" and hasattr(callback, "max_steps_per_execution"):
        return callback.max_steps_per_execution
    if type(callback) in _WITHOUT_LIMIT:
        return None
    if kind == "train" and isinstance(callback, _SAVING) and callback.save_freq == "epoch":
        return None  # Keras does not call their hooks for batches
    if type(callback) is tf.keras.callbacks.TensorBoard:
        return None if callback.update_freq == "epoch" else 1
    names = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
    names += ["on_batch_begin", "on_batch_end"] if kind == "train" else []
    return 1 if any(_is_overridden(callback, name) for name in names) else None


def _is_overridden(callback: Any, hook: str) -> bool:
    method = getattr(callback, hook, None)
    return getattr(method, "__func__", method) is not getattr(tf.keras.callbacks.Callback, hook)


# --- XLA and dense updates ---

# Measured on two cores with a head of 256 and 64 units: compiling takes about a second more than
# tracing. It saves 0.2 ms of a step of 256 rows, 1 ms of a step of 1,024 or 4,096 rows, and nothing
# of 8,192 rows. The number of rows below is worth three times that second.
MIN_ROWS_FOR_XLA = 4_000_000
_COUNTED_BATCH_SIZE, _MAX_BATCH_SIZE = 1_024, 4_096
_MAX_EMBEDDING_WEIGHTS = 2**22
_MAX_OTHER_WEIGHTS = 2**16  # matrix products with large kernels are slower with XLA
_CODE = (types.FunctionType, tf.keras.regularizers.Regularizer, tf.keras.constraints.Constraint)
_FUNCTION_LAYERS = ("Lambda", "SlicingOpLambda", "TFOpLambda")  # may hold custom code


def dense_update_limit(rows_a_step: int, *, compiled: bool) -> int:
    """The largest embedding table, in rows, that is best updated as a whole."""
    # Measured with 32 numbers a row on two cores and Adagrad: 1.2 to 1.5 times as fast for tables
    # of up to twice the batch size, and slower above. With XLA 1.6 times as fast for ten times the
    # batch size, and 0.8 times for thirty times.
    return (20 if compiled else 2) * rows_a_step


def should_compile_with_xla(model: Any, loop: Loop, epochs: float, callbacks: Any) -> bool:
    """Whether compilation with XLA saves time and leaves the results unchanged.

    It saves time in long training with small steps. It changes the results of stochastic layers,
    and of optimizers that treat dense and sparse updates differently.
    """
    listed = getattr(callbacks, "callbacks", callbacks)
    if any(isinstance(each, tf.keras.callbacks.EarlyStopping) for each in tf.nest.flatten(listed)):
        epochs /= 4  # about as many are run
    rows = loop.steps * epochs * min(loop.rows_a_step, _COUNTED_BATCH_SIZE)
    enough = rows >= MIN_ROWS_FOR_XLA
    if not loop.is_compilable or not enough or loop.rows_a_step > _MAX_BATCH_SIZE:
        return False
    # Raw values are checked in each step, and XLA leaves checks out. With several heads, examples
    # without a label are dropped, and XLA is slow with the changing shapes.
    if loop.reads_raw or len(model.tasks) > 1 or not accepts_dense_and_sparse(model.optimizer):
        return False
    layers = [part for part in model.submodules if isinstance(part, tf.keras.layers.Layer)]
    if tf.config.list_physical_devices("GPU"):  # where none of this was measured
        return False
    if any(map(_is_special, layers)):
        return False
    tables = [layer for layer in layers if isinstance(layer, tf.keras.layers.Embedding)]
    in_tables = sum(table.count_params() for table in tables)
    others = model.count_params() - in_tables
    if in_tables > _MAX_EMBEDDING_WEIGHTS or others > _MAX_OTHER_WEIGHTS:
        return False
    limit = dense_update_limit(loop.rows_a_step, compiled=True)
    return updates_all_rows(model.optimizer) or all(table.input_dim <= limit for table in tables)


def _is_special(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer is stochastic, of mixed precision, or runs custom code."""
    if is_stochastic(layer) or type(layer).__name__ in _FUNCTION_LAYERS:
        return True
    if layer.compute_dtype != layer.variable_dtype:  # XLA rounds less often
        return True
    given = [part for part in vars(layer).values() if isinstance(part, _CODE)]
    code = [part if isinstance(part, types.FunctionType) else type(part) for part in given]
    return any(map(is_user_code, [type(layer), *code]))
