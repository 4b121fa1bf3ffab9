"""How steps are run: several in each call of the graph, over rows in memory without an iterator."""

import contextlib
import logging
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._loop import Loop
from rankkit._rows_in_memory import Lookups, RowsInMemory, rows_of
from rankkit._step_counts import steps_of_a_call

_LOG = logging.getLogger("rankkit")
_WITH_ROWS_ALONE = ("y", "sample_weight", "class_weight", "steps_per_epoch", "steps")


class Running(tfrs.models.Model):
    """A TFRS model that is trained and evaluated in few calls of the graph.

    On one replica, batches of `rankkit.data.batches` over rows in memory are run by a `Loop`. If
    `steps_per_execution` does not say how many steps a call has, they are chosen for it.
    """

    _steps_of_iterators = 1  # in each call that reads an iterator
    _chooses_steps = True

    def _reset_compile_cache(self) -> None:
        super()._reset_compile_cache()  # as Keras forgets what it has traced
        self._loops: Any = {
            kind: weakref.WeakKeyDictionary[tf.data.Dataset, Loop]() for kind in ("train", "test")
        }
        self._running: dict[str, Any] = {"train": None, "test": None, "validation": None}

    def compile(self, *args: Any, steps_per_execution: Any = None, **kwargs: Any) -> None:
        super().compile(*args, steps_per_execution=steps_per_execution, **kwargs)
        self._chooses_steps = steps_per_execution is None
        self._steps_of_iterators = steps_per_execution or 1

    def _look_up(self, rows: RowsInMemory) -> Lookups:
        """Gives what the steps read of rows."""
        return Lookups(rows.columns, {}, {})

    def build_optimizer(self) -> None:
        """Makes the optimizer's variables ahead of the first step, where it can."""
        if hasattr(self.optimizer, "build"):  # legacy optimizers have none
            self.optimizer.build(self.trainable_variables)

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
            # Each replica adds its share, so that the sum over replicas counts it once.
            loss += tf.nn.scale_regularization_loss(self.losses)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        self.compute_loss(inputs, training=False)
        return {metric.name: metric.result() for metric in self.metrics}

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        validation = self._loop("test", kwargs.get("validation_data"), args, {})
        if validation is not None and kwargs.get("validation_steps") is None:
            kwargs["validation_data"] = validation.stand_in
            self._running["validation"] = validation
        with self._run("train", self._loop("train", x, args, kwargs), kwargs) as loop:
            return super().fit(x if loop is None else loop.stand_in, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        within_fit = kwargs.get("_use_cached_eval_dataset")
        loop = self._running["validation"] if within_fit else self._loop("test", x, args, kwargs)
        with self._run("test", loop, kwargs):
            return super().evaluate(x if loop is None else loop.stand_in, *args, **kwargs)

    def _loop(
        self, kind: str, x: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Loop | None:
        """Gives what runs the steps over rows in memory, or `None` where an iterator has to."""
        rows = rows_of(x)
        with self.distribute_strategy.scope():
            distributed = tf.distribute.has_strategy()
        step = f"{kind}_step"
        own = getattr(type(self), step) is not getattr(Running, step)
        others = [name for name in _WITH_ROWS_ALONE if kwargs.get(name) is not None]
        if rows is None or args or others or own or distributed or self.run_eagerly:
            return None
        loops = self._loops[kind]
        if x not in loops:
            if kind == "train":
                self.build_optimizer()
            metrics, steps = (
                (lambda: self.metrics),
                (lambda: int(self._steps_per_execution.numpy())),
            )
            loops[x] = Loop(getattr(self, step), metrics, rows, self._look_up(rows), steps)
        return loops[x]

    @contextlib.contextmanager
    def _run(
        self, kind: str, loop: Loop | None, kwargs: Mapping[str, Any]
    ) -> Iterator[Loop | None]:
        """Makes Keras's next function of a kind that of a loop, if there is one."""
        number = self._steps_of_iterators
        if loop is not None:
            loop.begin()
            if self._chooses_steps:
                number = steps_of_a_call(self, loop, kwargs.get("callbacks"), kind)
            _LOG.info("%s steps: %d of %d in a call; %s", kind, number, loop.steps, loop)
        before = self._running[kind], int(self._steps_per_execution.numpy())
        self._running[kind] = loop
        self._steps_per_execution.assign(number)
        try:
            yield loop
        finally:
            self._running[kind] = before[0]
            self._steps_per_execution.assign(before[1])
            if kind == "train":
                self._running["validation"] = None

    def make_train_function(self, force: bool = False) -> Any:
        if (loop := self._running["train"]) is not None:
            self.train_function = loop
        elif self.train_function is None or isinstance(self.train_function, Loop) or force:
            # A step that makes the optimizer's variables would be traced again without them.
            self.build_optimizer()
            self.train_function = self._several(super().make_train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if (loop := self._running["test"]) is not None:
            self.test_function = loop
        elif self.test_function is None or isinstance(self.test_function, Loop) or force:
            self.test_function = self._several(super().make_test_function)
        return self.test_function

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

    def _several(self, make_function: Callable[..., Any]) -> Any:
        """Makes a function of several steps in which a step is traced once; Keras traces it twice.

        Args:
            make_function: Keras's maker of such a function.
        """
        steps = self._steps_per_execution
        special = self.run_eagerly or self._cluster_coordinator or self.autotune_steps_per_execution
        if steps is None or special or (number := int(steps.numpy())) == 1:
            return make_function(force=True)
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
