"""How steps over rows in memory are run: without an iterator, many in each call of the graph."""

import contextlib
import logging
import types
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

from rankkit._loop import Loop
from rankkit._over_iterators import OverIterators
from rankkit._rows_in_memory import Lookups, RowsInMemory, rows_of
from rankkit._step_counts import steps_of_a_call, steps_over_iterator
from rankkit._xla import most_dense_rows, pays_to_compile

_LOG = logging.getLogger("rankkit")
_WITH_ROWS_ALONE = ("y", "sample_weight", "class_weight", "steps_per_epoch", "steps")


class Running(OverIterators):
    """A TFRS model that is trained and evaluated in few calls of the graph.

    On one replica, batches of `rankkit.data.batches` over rows in memory are run by a `Loop`. If
    `steps_per_execution` does not say how many steps a call has, that is chosen for it.
    """

    def _reset_compile_cache(self) -> None:
        super()._reset_compile_cache()  # as Keras forgets what it has traced
        # In what Keras does not look into: it would sort the data sets.
        self._loops: Any = types.SimpleNamespace(
            train=weakref.WeakKeyDictionary[tf.data.Dataset, Loop](),
            test=weakref.WeakKeyDictionary[tf.data.Dataset, Loop](),
        )
        self._running: dict[str, Any] = {"train": None, "test": None, "validation": None}

    def compile(self, *args: Any, look_up_ahead: bool = True, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        self._looks_ahead = look_up_ahead

    def _most_dense_rows(self) -> float | None:
        loop = self._running["train"]
        if loop is None:
            return None
        return most_dense_rows(loop.rows_a_step, compiled=loop.compiled)

    @property
    def runs_own_code(self) -> bool:
        """Whether a step runs a loss, a metric or a layer of the user's own."""
        return True

    def _check_rows(self, rows: RowsInMemory) -> None:
        """Refuses rows ahead of steps compiled by XLA, which leaves checks of values out."""

    def _look_up(self, rows: RowsInMemory) -> Lookups:
        """Gives what the steps read of rows."""
        return Lookups(rows.columns, {}, {})

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        loop = self._loop("train", x, args, kwargs)
        validation = self._loop("test", kwargs.get("validation_data"), args, {})
        if kwargs.get("validation_steps") is not None:
            validation = None
        if validation is not None:
            kwargs["validation_data"] = validation.stand_in
        with self._run("train", x, loop, kwargs):
            self._running["validation"] = validation
            try:
                return super().fit(x if loop is None else loop.stand_in, *args, **kwargs)
            finally:
                self._running["validation"] = None
                self._eval_data_handler = None  # which Keras keeps if it is interrupted

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        within_fit = kwargs.get("_use_cached_eval_dataset")
        loop = self._running["validation"] if within_fit else self._loop("test", x, args, kwargs)
        with self._run("test", x, loop, kwargs):
            return super().evaluate(x if loop is None else loop.stand_in, *args, **kwargs)

    def _loop(
        self, kind: str, x: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Loop | None:
        """Gives what runs the steps over rows in memory, or `None` where an iterator has to."""
        rows = rows_of(x)
        if rows is None or args or not self._is_compiled or not self._looks_ahead:
            return None
        with self.distribute_strategy.scope():
            distributed = tf.distribute.has_strategy()
        code = [getattr(type(self), f"{kind}_step"), type(self).compute_loss, type(self).call]
        own = not all(each.__module__.startswith("rankkit.") for each in code)
        others = [name for name in _WITH_ROWS_ALONE if kwargs.get(name) is not None]
        special = self.run_eagerly or self.autotune_steps_per_execution
        if others or own or distributed or special:
            return None
        loops = getattr(self._loops, kind)
        if x not in loops:
            if kind == "train":
                self.build_optimizer()
            loops[x] = Loop(
                getattr(self, f"{kind}_step"),
                lambda: self.metrics,
                rows,
                self._look_up(rows),
                lambda: int(self._steps_per_execution.numpy()),
                autograph=self.runs_own_code,
            )
        loop = loops[x]
        if self._jit_compile and not loop.is_compilable:
            return None
        if self._jit_compile or (kind == "train" and self._chooses_xla):
            long = kwargs.get("epochs", 1), kwargs.get("callbacks")
            chosen = bool(self._jit_compile) or pays_to_compile(self, loop, *long)
            loop.compile(chosen, falls_back=self._chooses_xla)
        if loop.compiled and not loop.is_checked:
            self._check_rows(rows)
            loop.is_checked = True
        return loop

    @contextlib.contextmanager
    def _run(
        self, kind: str, x: Any, loop: Loop | None, kwargs: Mapping[str, Any]
    ) -> Iterator[Loop | None]:
        """Makes Keras's next function of a kind that of a loop, if there is one."""
        if not self._is_compiled:  # which Keras tells
            yield None
            return
        number, callbacks = self._steps_of_iterators, kwargs.get("callbacks")
        if loop is None and self._varies_steps():
            number = steps_over_iterator(self, x, kwargs, kind)
        if loop is not None:
            loop.begin()
            if self._chooses_steps:
                number = steps_of_a_call(self, loop, callbacks, kind)
            _LOG.info("%s steps: %d of %d in a call; %s", kind, number, loop.steps, loop)
        before = self._running[kind], int(self._steps_per_execution.numpy())
        self._running[kind] = loop
        self._steps_per_execution.assign(number)
        try:
            yield loop
        finally:
            self._running[kind] = before[0]
            self._steps_per_execution.assign(before[1])
            self._forget_loops()

    def _forget_loops(self) -> None:
        """Leaves Keras without the functions that hold rows."""
        if isinstance(self.train_function, Loop) and self._running["train"] is None:
            self.train_function = None
        if isinstance(self.test_function, Loop) and self._running["test"] is None:
            self.test_function = None

    def make_train_function(self, force: bool = False) -> Any:
        if (loop := self._running["train"]) is not None:
            self.train_function = loop
            return loop
        return super().make_train_function(force)

    def make_test_function(self, force: bool = False) -> Any:
        if (loop := self._running["test"]) is not None:
            self.test_function = loop
            return loop
        return super().make_test_function(force)
