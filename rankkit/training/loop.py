"""Loop over the batches of examples in memory, inside the graph."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.features import NUMBER_PADDING
from rankkit.core.in_memory import Lookups, RowsInMemory
from rankkit.core.listwise import MASK
from rankkit.core.precomputed import precomputed_indices
from rankkit.utils.keras import count_steps
from rankkit.utils.tensorflow import expect_retracing

_LOG = logging.getLogger("rankkit")


class Loop:
    """Runs steps over examples in memory: the function that Keras calls for each execution.

    The results equal those over an iterator, whose overhead is a large part of a small step.

    Attributes:
        reads_raw: Whether a layer reads raw values, which it may have to check.
        is_compilable: Whether XLA can compile steps with full batches.
        compiled: Whether XLA compiles them.
        falls_back: Whether they run without XLA if it cannot compile them.
        is_checked: Whether the values of labels and weights have been checked.
    """

    def __init__(
        self,
        model: tf.keras.Model,
        kind: str,
        rows: RowsInMemory,
        lookups: Lookups,
        *,
        autograph: bool,
    ):
        self._model, self._kind, self._rows, self._lookups = model, kind, rows, lookups
        self.rows_a_step, self.steps = rows.rows_a_step, rows.steps
        # Keras needs a data set to count the steps.
        self.stand_in = tf.data.Dataset.range(rows.steps)
        self._autograph = autograph
        self._next = 0
        read = [rows.columns[name] for name in lookups.raw if name in rows.columns]
        read += lookups.indices.values()
        self.reads_raw = bool(lookups.raw)
        self.is_compilable = rows.of_one_shape and all(column.is_plain for column in read)
        self.compiled = self.falls_back = self.is_checked = False
        self._functions: dict[bool, Any] = {}

    def start_epoch(self) -> None:
        """Starts an epoch with the next call, whether or not the last one was finished."""
        self._next = 0
        self._rows.skip_epoch()  # Keras too makes an iterator that it does not use

    def __call__(self, iterator: Any) -> dict[str, tf.Tensor]:
        """Runs the next steps and returns the metrics; the iterator is not used."""
        if self._next == 0:
            self._order = self._rows.next_order()
        count = int(self._model.steps_per_execution.numpy())
        first = tf.constant(self._next, tf.int64)
        self._next = (self._next + count) % self.steps
        given = self._order, first, first + count
        count_steps(self._model, self._kind, count)
        try:
            return self._run(*given)
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            if not (self.compiled and self.falls_back and "XLA" in str(error)):
                raise
            # XLA compiles before it runs anything.
            _LOG.info("XLA cannot compile the steps: %s", _reason(error))
            self.compiled = self.is_compilable = False
            return self._run(*given)

    def _run(self, *given: tf.Tensor) -> dict[str, tf.Tensor]:
        if self.compiled not in self._functions:
            make = self._compiled_steps if self.compiled else self._steps
            self._functions[self.compiled] = tf.function(
                make(), reduce_retracing=True, autograph=self._autograph
            )
        with expect_retracing():
            return self._functions[self.compiled](*given)

    def _steps(self) -> Callable[..., dict[str, tf.Tensor]]:
        def run(order: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> dict[str, tf.Tensor]:
            size = tf.constant(self._rows.batch_size, tf.int64)
            _from_to(first, end, lambda n: self._one_step(order[n * size : (n + 1) * size]))
            return self._logs()

        return run

    def _compiled_steps(self) -> Callable[..., dict[str, tf.Tensor]]:
        size = self._rows.batch_size
        in_full = self._rows.count // size

        @tf.function(jit_compile=True, autograph=self._autograph)
        def full(order: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> None:
            # With static shapes, which XLA needs.
            _from_to(first, end, lambda n: self._one_step(tf.slice(order, [n * size], [size])))

        def run(order: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> dict[str, tf.Tensor]:
            if in_full:
                full(order, first, tf.minimum(end, in_full))
            if in_full < self.steps:
                tf.cond(end > in_full, lambda: self._one_step(order[in_full * size :]), lambda: 0)
            return self._logs()

        return run

    def _logs(self) -> dict[str, tf.Tensor]:
        return {metric.name: metric.result() for metric in self._model.metrics}

    def _one_step(self, part: tf.Tensor) -> int:
        rows, batch = self._rows.lay_out(part)
        for name, column in self._lookups.columns.items():
            if column.is_plain or not self.compiled:  # XLA cannot hold strings
                batch[name] = column(rows, static=self.compiled)
        for name, spec in self._lookups.unread.items():
            batch[name] = _nothing(rows, spec)
        if MASK in batch:  # the features of lists have no padding
            rows = tf.boolean_mask(rows, batch[MASK])
        with precomputed_indices(
            {
                layer: _padded(indices(rows, static=self.compiled))
                for layer, indices in self._lookups.indices.items()
            }
        ):
            getattr(self._model, f"{self._kind}_step")(batch)
        return 0

    def __str__(self) -> str:
        names = sorted(layer.name for layer in self._lookups.indices)
        by = ", compiled by XLA" if self.compiled else ""
        return f"precomputed lookups: {', '.join(names) or 'none'}{by}"


def _reason(error: tf.errors.OpError) -> str:
    lines = [line.strip() for line in error.message.splitlines()]
    return next((line for line in lines if "unsupported" in line.lower()), lines[0])


def _from_to(first: tf.Tensor, end: tf.Tensor, step: Callable[[tf.Tensor], Any]) -> None:
    def body(number: tf.Tensor) -> tf.Tensor:
        step(number)
        return number + 1

    tf.while_loop(lambda number: number < end, body, [first], parallel_iterations=1)


def _padded(indices: Any) -> tf.Tensor:
    return indices.to_tensor(NUMBER_PADDING) if isinstance(indices, tf.RaggedTensor) else indices


def _nothing(rows: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    """A placeholder for the values of a feature that nothing reads."""
    sizes = [size or 1 for size in spec.shape[1:]]
    if rows.shape.is_fully_defined():  # a constant: XLA could not create strings
        value = "" if spec.dtype == tf.string else 0
        return tf.constant(np.full([*rows.shape, *sizes], value, spec.dtype.as_numpy_dtype))
    return tf.zeros([*tf.unstack(tf.shape(rows)), *sizes], spec.dtype)
