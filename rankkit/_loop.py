"""Many steps over rows in memory in one call of the graph."""

from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

from rankkit._given_codes import given_codes
from rankkit._lists import MASK
from rankkit._rows_in_memory import Lookups, RowsInMemory


class Loop:
    """Runs the steps of passes over rows in memory: a function as Keras calls it for each step.

    The numbers are those of steps over the batches, which are never made as a data set: an iterator
    costs a good part of a small step.

    Args:
        step: What is done with a batch.
        metrics: Gives the metrics that are read after a call.
        rows: The rows.
        lookups: What the steps read of them.
        count: Gives how many steps Keras asks for.
        autograph: Whether code of the user's has to be converted; it takes seconds.
    """

    def __init__(
        self,
        step: Callable[[dict[str, Any]], Any],
        metrics: Callable[[], Iterable[tf.keras.metrics.Metric]],
        rows: RowsInMemory,
        lookups: Lookups,
        count: Callable[[], int],
        *,
        autograph: bool,
    ):
        self._step, self._metrics, self._count = step, metrics, count
        self._rows, self._lookups = rows, lookups
        self.rows_a_step, self.steps = rows.rows_a_step, rows.steps
        # What Keras counts the steps of; it does not know how to do without a data set.
        self.stand_in = tf.data.Dataset.range(rows.steps)
        self._run = tf.function(self._steps_from, reduce_retracing=True, autograph=autograph)
        self._next = 0

    def begin(self) -> None:
        """Begins a pass with the next call, whether the last one came to its end or not."""
        self._next = 0
        self._rows.skip_pass()  # as Keras makes an iterator that it does not use

    def __call__(self, iterator: Any) -> dict[str, tf.Tensor]:
        """Runs the next steps.

        Args:
            iterator: Not used.

        Returns:
            The metrics.
        """
        if self._next == 0:
            self._order = self._rows.next_order()
        count = self._count()
        first = tf.constant(self._next, tf.int64)
        self._next = (self._next + count) % self.steps
        return self._run(self._order, first, tf.constant(count, tf.int64))

    def _steps_from(
        self, order: tf.Tensor, first: tf.Tensor, count: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        size = tf.constant(self._rows.batch_size, tf.int64)
        end = first + count

        def body(number: tf.Tensor) -> tf.Tensor:
            self._one_step(order[number * size : (number + 1) * size])
            return number + 1

        tf.while_loop(lambda number: number < end, body, [first], parallel_iterations=1)
        return {metric.name: metric.result() for metric in self._metrics()}

    def _one_step(self, part: tf.Tensor) -> None:
        rows, batch = self._rows.lay_out(part)
        batch |= {name: column(rows) for name, column in self._lookups.columns.items()}
        shape = list(tf.unstack(tf.shape(rows)))
        for name, spec in self._lookups.unread.items():
            batch[name] = tf.zeros([*shape, *(1 for _ in spec.shape[1:])], spec.dtype)
        if MASK in batch:  # as the features of lists are read
            rows = tf.boolean_mask(rows, batch[MASK])
        with given_codes({layer: codes(rows) for layer, codes in self._lookups.codes.items()}):
            self._step(batch)

    def __str__(self) -> str:
        names = sorted(layer.name for layer in self._lookups.codes)
        return f"looked up ahead: {', '.join(names) or 'nothing'}"
