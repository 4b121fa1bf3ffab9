"""How the steps of `fit` and `evaluate` are executed."""

import contextlib
import logging
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.in_memory import Lookups, RowsInMemory, rows_of
from rankkit.distributed.parameter_server import endless, evaluated_here
from rankkit.training.loop import Loop
from rankkit.training.policy import (
    most_dense_rows,
    pays_to_compile,
    steps_of_a_call,
    steps_over_iterator,
)
from rankkit.training.step import Stepping
from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import has_servers


class OverIterators(Stepping):
    """A TFRS model that is trained and evaluated on batches from wherever they come."""

    _steps_of_iterators = 1  # in each call of the graph
    _chooses_steps = _chooses_xla = True

    def _reset_compile_cache(self) -> None:
        super()._reset_compile_cache()  # as Keras forgets what it has traced
        self.step_here = tf.function(self.test_step)  # where Keras would ask the workers

    def compile(
        self,
        *args: Any,
        steps_per_execution: Any = None,
        jit_compile: Any = "auto",
        **kwargs: Any,
    ) -> None:
        if jit_compile not in ("auto", True, False, None):
            raise invalid("jit_compile", jit_compile, "'auto', True or False")
        self._chooses_xla = isinstance(jit_compile, str)
        super().compile(
            *args,
            steps_per_execution=steps_per_execution,
            jit_compile=bool(jit_compile) and not self._chooses_xla,
            **kwargs,
        )
        self._chooses_steps = steps_per_execution is None
        self._steps_of_iterators = int(self._steps_per_execution.numpy())

    def _reads_text(self) -> bool:
        """Whether a step over an iterator reads text, which XLA knows nothing of."""
        return False

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        if has_servers(self.distribute_strategy):
            x, kwargs = endless(x, kwargs)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        if has_servers(self.distribute_strategy) and isinstance(x, tf.data.Dataset) and not args:
            logs = evaluated_here(self, x, kwargs.get("steps"), kwargs.get("callbacks"))
            return logs if kwargs.get("return_dict") else [*logs.values()]
        with self._without_xla_for_text():
            return super().evaluate(x, *args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with self._without_xla_for_text(), self._steps_of_its_own():
            return super().predict(*args, **kwargs)

    def predict_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self._without_xla_for_text(), self._steps_of_its_own():
            return super().predict_on_batch(*args, **kwargs)

    def test_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self._without_xla_for_text(), self._steps_of_its_own():
            return super().test_on_batch(*args, **kwargs)

    @contextlib.contextmanager
    def _steps_of_its_own(self) -> Iterator[None]:
        """Keeps a callback's use of the model apart from the steps of `fit`."""
        steps = self._steps_per_execution
        if steps is None:  # not compiled
            yield
            return
        before = int(steps.numpy())
        steps.assign(self._steps_of_iterators)
        try:
            yield
        finally:
            steps.assign(before)

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            if self._jit_compile and self._reads_text():
                fix = (
                    "XLA cannot compile ids that are strings, unless they are looked up ahead: in "
                    "whole epochs of rankkit.data.batches over rows in memory."
                )
                raise invalid("jit_compile", True, "'auto' or False", fix)
            # A step that makes the optimizer's variables would be traced again without them.
            self.build_optimizer()
            self.train_function = self._over_iterator(super().make_train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            self.test_function = self._over_iterator(super().make_test_function)
        return self.test_function

    @contextlib.contextmanager
    def _without_xla_for_text(self) -> Iterator[None]:
        before = self._jit_compile
        self._jit_compile = before and not self._reads_text()
        try:
            yield
        finally:
            self._jit_compile = before

    @contextlib.contextmanager
    def several_steps(self, number: int) -> Iterator[None]:
        """Runs so many steps in each call of the graph, within the context alone.

        Args:
            number: How many; the size of the data has to be known, if they are several.
        """
        before = self._steps_of_iterators, self._chooses_steps
        self._set_steps(number, False)
        try:
            yield
        finally:
            self._set_steps(*before)

    def _set_steps(self, number: int, chooses: bool) -> None:
        if self._steps_of_iterators != number:
            self.train_function = self.test_function = self.predict_function = None
        self._steps_of_iterators, self._chooses_steps = number, chooses
        self._steps_per_execution.assign(number)

    def _varies_steps(self) -> bool:
        """Whether each data set gets a number of steps a call of its own."""
        with self.distribute_strategy.scope():
            # Of a step without rows on some replica, TensorFlow makes no loop.
            distributed = tf.distribute.has_strategy()
        special = self.run_eagerly or self.autotune_steps_per_execution
        return self._chooses_steps and not distributed and not special

    def _over_iterator(self, make_function: Callable[..., Any]) -> Any:
        steps = self._steps_per_execution
        special = self.run_eagerly or self._cluster_coordinator or self.autotune_steps_per_execution
        one = steps is None or (int(steps.numpy()) == 1 and not self._varies_steps())
        return make_function(force=True) if special or one else traced_once(make_function, steps)


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

    def compile(self, *args: Any, precompute_lookups: bool = True, **kwargs: Any) -> None:
        super().compile(*args, **kwargs)
        self._looks_ahead = precompute_lookups

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
