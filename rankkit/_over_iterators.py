"""How steps over an iterator are run: compiled or not, several in each call of the graph or one."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._parameter_servers import endless, evaluated_here, has_servers
from rankkit._several_steps import traced_once
from rankkit._stepping import Stepping


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
