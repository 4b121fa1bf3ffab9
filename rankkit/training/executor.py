"""How the steps of one call of `fit` or `evaluate` are executed, decided in one place."""

import contextlib
import dataclasses
import logging
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory, in_memory_rows
from rankkit.distributed.parameter_server import evaluate_locally, repeat_for_workers
from rankkit.models.heads import HeadSettings
from rankkit.training.lookups import make_lookups
from rankkit.training.loop import Loop
from rankkit.training.objective import Objectives
from rankkit.training.policy import (
    dense_update_limit,
    is_of_unknown_size,
    should_compile_with_xla,
    steps_in_memory,
    steps_over_iterator,
)
from rankkit.training.step import build_optimizer
from rankkit.utils.errors import invalid
from rankkit.utils.keras import optimized_indices
from rankkit.utils.tensorflow import has_servers, has_user_layers, layers_of

_LOG = logging.getLogger("rankkit")
# With these arguments Keras has to go through the data itself.
_NEED_ITERATOR = ("y", "sample_weight", "steps_per_epoch", "steps")


def reads_text_or_lists(model: Any) -> bool:
    """Whether a feature of a model is a string or a list, which XLA cannot read."""
    specs = model.feature_specs.values()
    return any(spec.dtype == tf.string or None in spec.shape[1:] for spec in specs)


def check_compilable(model: Any, batch: Any) -> None:
    """Raises if steps over an iterator are compiled with XLA, and a column is text or lists."""
    columns = batch[0] if isinstance(batch, tuple | list) else batch
    if not model.jit_compile or not isinstance(columns, Mapping):
        return
    for name, column in columns.items():
        if isinstance(column, tf.RaggedTensor) or column.dtype == tf.string:
            fix = f"XLA cannot read column {name!r}, of text or lists. Leave it out of the batches."
            raise invalid("jit_compile", True, "'auto' or False", fix)


@dataclasses.dataclass(frozen=True, eq=False)
class Execution:
    """How one call of `fit` or `evaluate` runs its steps."""

    data: Any  # what Keras iterates over
    steps_per_execution: int
    loop: Loop | None = None  # runs the steps over examples in memory, without an iterator
    path: str = "over an iterator"  # of the steps where there is no loop
    traces_once: bool = False  # several steps over an iterator, which Keras would trace twice
    is_local: bool = False  # evaluation in this process of weights on parameter servers
    steps_per_epoch: int | None = None  # where the data has no end

    def __str__(self) -> str:
        steps = f"{self.steps_per_execution} step{'s' * (self.steps_per_execution > 1)}"
        path = self.path if self.loop is None else f"in memory, {self.loop}"
        return f"{steps} per execution, {path}"


class Executor:
    """Chooses an execution for each call of `fit` and `evaluate`, and keeps compiled functions.

    Examples in memory (`rankkit.data.batches` or `lists` of columns) on one replica run in a `Loop`
    inside the graph, with lookups precomputed, and compiled by XLA where that pays. All other data
    goes through Keras's iterator. With parameter servers, batches repeat without an end for
    training, and evaluation runs in this process.

    The options are those of `RankingModel.compile`. `steps_per_execution` is `None` if it is chosen
    for each data set, or tuned by Keras, and `jit_compile` if it is chosen for each training.
    """

    def __init__(
        self,
        model: Any,
        heads: HeadSettings,
        objectives: Objectives,
        *,
        steps_per_execution: int | None,
        jit_compile: bool | None,
        precompute_lookups: bool,
    ):
        self._model = model
        self._steps_per_execution = steps_per_execution
        self.jit_compile = jit_compile
        self._precompute_lookups = precompute_lookups
        self._heads = heads
        self._objectives = objectives
        self._networks = [model.network, *heads.biases.values()]
        layers = chain.from_iterable(map(layers_of, self._networks))
        # During `fit`, Keras restores these values.
        self._trainable = {layer: layer.trainable for layer in layers}
        self._active: dict[str, Execution | None] = {"train": None, "test": None}
        self._loops: dict[str, Any] = {
            kind: weakref.WeakKeyDictionary[tf.data.Dataset, Loop]() for kind in self._active
        }
        self._validation_loop: Loop | None = None  # while `fit` runs
        self._functions: dict[str, Any] = {}  # those over an iterator, as long as Keras keeps them
        self._local_test_step = tf.function(model.test_step)

    # --- The choice ---

    def plan(self, kind: str, data: Any, kwargs: Mapping[str, Any]) -> Execution:
        """Chooses how a call of `fit` (kind "train") or `evaluate` (kind "test") is executed."""
        model, fixed = self._model, self._steps_per_execution
        if kwargs.get("validation_split") and isinstance(data, Mapping):
            for name, column in data.items():
                if isinstance(column, tf.RaggedTensor):
                    fix = f"Pass validation_data: Keras cannot split the lists of column {name!r}."
                    raise invalid("validation_split", kwargs["validation_split"], "0", fix)
        heads = self._objectives.heads
        if self.jit_compile and None not in heads and any(h.ranks_lists for h in heads.values()):
            fix = "XLA cannot compile a listwise loss of one of several heads."
            raise invalid("jit_compile", True, "'auto' or False", fix)
        if has_servers(model.distribute_strategy):
            if kind == "train":
                data, steps_per_epoch = repeat_for_workers(data, kwargs.get("steps_per_epoch"))
                path = "over iterators of the workers, with a coordinator"
                return Execution(data, fixed or 1, path=path, steps_per_epoch=steps_per_epoch)
            if isinstance(data, tf.data.Dataset):
                return Execution(data, 1, path="over an iterator, in this process", is_local=True)
            return Execution(data, fixed or 1)
        name = "steps_per_epoch" if kind == "train" else "steps"
        self.check_data(data, name, kwargs.get(name))
        if kind == "train":
            name, validation = "validation_steps", kwargs.get("validation_data")
            self.check_data(validation, name, kwargs.get(name), "validation_data")
        loop = self._loop(kind, data, kwargs)
        if loop is not None:
            steps = fixed or steps_in_memory(model, loop, kwargs, kind)
            return Execution(loop.stand_in, steps, loop)
        return self._over_iterator(kind, data, kwargs)

    def _over_iterator(self, kind: str, data: Any, kwargs: Mapping[str, Any]) -> Execution:
        model, steps = self._model, self._steps_per_execution
        if kind == "train" and self.jit_compile and reads_text_or_lists(model):
            fix = (
                "XLA cannot compile features that are strings or lists, unless their lookup is "
                "precomputed: in whole epochs of rankkit.data.batches over examples in memory. "
                "Batches of rankkit.data.sequences differ in shape, and are not compiled either."
            )
            raise invalid("jit_compile", True, "'auto' or False", fix)
        # TensorFlow cannot loop over steps that have no examples on one of the replicas.
        chooses = steps is None and not self._is_distributed()
        if self._leaves_steps_to_keras():
            how = "eagerly" if model.run_eagerly else "with a number of steps tuned by Keras"
            return Execution(data, steps or 1, path=f"over an iterator, {how}")
        if chooses:
            steps = steps_over_iterator(model, data, kwargs, kind)
        path = f"over an iterator{', compiled by XLA' * model.jit_compile}"
        return Execution(data, steps or 1, path=path, traces_once=chooses or (steps or 1) > 1)

    def check_data(self, data: Any, name: str, steps: int | None, argument: str = "x") -> None:
        """Raises for data without rows, and for data of unknown size if steps are grouped."""
        columns: Any = data[0] if isinstance(data, tuple) and data else data
        is_empty = isinstance(columns, tf.data.Dataset) and int(columns.cardinality()) == 0
        if isinstance(columns, Mapping):
            is_empty = any(0 in getattr(each, "shape", ())[:1] for each in columns.values())
        if is_empty:
            raise ValueError(
                f"{argument} must have at least one row. Got: 0 rows. Check the filters."
            )
        fixed = self._steps_per_execution or 1
        if fixed > 1 and steps is None and is_of_unknown_size(data):
            fix = f"Pass {name}, or leave steps_per_execution out of compile."
            raise invalid("steps_per_execution", fixed, "1 for data of unknown size", fix)

    def validation_loop(self, kwargs: Mapping[str, Any]) -> Loop | None:
        """The loop over validation data in memory; Keras gets its `stand_in` as the data."""
        if has_servers(self._model.distribute_strategy):
            return None
        steps = {"steps": kwargs.get("validation_steps")}
        return self._loop("test", kwargs.get("validation_data"), steps)

    def _loop(self, kind: str, data: Any, kwargs: Mapping[str, Any]) -> Loop | None:
        """The loop over examples in memory; `None` where they have to go through an iterator."""
        model, validation = self._model, self._validation_loop
        if kind == "test" and validation is not None and data is validation.stand_in:
            return validation
        rows = in_memory_rows(data)
        if rows is None or not self._precompute_lookups or self._needs_iterator(kind, kwargs):
            return None
        loops = self._loops[kind]
        if data not in loops:
            if kind == "train":
                self.build_optimizer()
            lookups = make_lookups(self._networks, rows)
            loops[data] = Loop(model, kind, rows, lookups, autograph=self._runs_user_code())
        loop = loops[data]
        if self.jit_compile and not loop.is_compilable:
            return None
        if self.jit_compile:
            loop.compiled, loop.falls_back = True, False
        elif self.jit_compile is None and kind == "train":
            epochs, callbacks = kwargs.get("epochs", 1), kwargs.get("callbacks")
            saves_time = should_compile_with_xla(model, loop, epochs, callbacks)
            loop.compiled, loop.falls_back = saves_time and not self._runs_user_code(), True
        if loop.compiled and not loop.is_checked:
            self._check_rows(rows)  # compiled steps leave checks of values out
            loop.is_checked = True
        return loop

    def _needs_iterator(self, kind: str, kwargs: Mapping[str, Any]) -> bool:
        model = self._model
        steps = (f"{kind}_step", f"make_{kind}_function", "compute_loss", "call")
        overridden = any(
            not getattr(type(model), name).__module__.startswith("rankkit.") for name in steps
        )
        asked = any(kwargs.get(name) is not None for name in _NEED_ITERATOR)
        return asked or overridden or self._is_distributed() or self._leaves_steps_to_keras()

    def _runs_user_code(self) -> bool:
        """Whether a step runs a loss, a metric or a layer that the user has written."""
        return self._objectives.has_own_code or any(map(has_user_layers, self._networks))

    def _is_distributed(self) -> bool:
        with self._model.distribute_strategy.scope():
            return tf.distribute.has_strategy()

    def _leaves_steps_to_keras(self) -> bool:
        return self._model.run_eagerly or self._model.autotune_steps_per_execution

    def _check_rows(self, rows: RowsInMemory) -> None:
        names = {*filter(None, (*self._heads.labels.values(), *self._heads.weights.values()))}
        if names <= rows.columns.keys():  # otherwise, the error of a step names the missing column
            columns = {name: rows.columns[name] for name in names}
            self._objectives.check(
                {name: column(tf.range(column.num_rows)) for name, column in columns.items()}
            )

    # --- The run ---

    @contextlib.contextmanager
    def run(
        self, kind: str, execution: Execution, validation: Loop | None = None
    ) -> Iterator[None]:
        """Makes Keras's next training or test function that of an execution."""
        if execution.loop is not None:
            execution.loop.start_epoch()
        level = logging.DEBUG if kind == "test" and self.is_training else logging.INFO
        _LOG.log(level, "%s: %s", "training" if kind == "train" else "evaluation", execution)
        before = self._validation_loop
        if kind == "train":
            self._validation_loop = validation
        try:
            with self._activated({kind: execution}, execution.steps_per_execution):
                yield
        finally:
            self._validation_loop = before

    def isolated(self) -> contextlib.AbstractContextManager[None]:
        """Isolates a callback's own use of the model from the steps of `fit`."""
        return self._activated({"train": None, "test": None}, self._steps_per_execution or 1)

    @contextlib.contextmanager
    def _activated(self, active: Mapping[str, Execution | None], steps: int) -> Iterator[None]:
        model, before = self._model, dict(self._active)
        steps_before = int(model.steps_per_execution.numpy())
        functions = model.train_function, model.test_function
        self._active.update(active)
        if not model.autotune_steps_per_execution:
            model.steps_per_execution = steps
        try:
            yield
        finally:
            self._active.update(before)
            if not model.autotune_steps_per_execution:
                model.steps_per_execution = steps_before
            # `fit` goes on with its own functions; after it, none that holds the rows is kept.
            if self._active["train"] is not None or isinstance(model.train_function, Loop):
                model.train_function = functions[0]
            if self._active["test"] is not None or isinstance(model.test_function, Loop):
                model.test_function = functions[1]

    def function(self, kind: str, make: Callable[..., Any], *, force: bool) -> Any:
        """The function that Keras calls for each execution; `make` is Keras's own maker of it."""
        execution = self._active[kind]
        if execution is not None and execution.loop is not None:
            return execution.loop
        model = self._model
        kept = getattr(model, f"{kind}_function")
        if isinstance(kept, Loop):  # a callback is using the model in the middle of `fit`
            kept = self._functions.get(kind)
        if kept is not None and not force:
            return kept
        if execution is None:  # `train_on_batch`, or a callback that uses the model during `fit`
            execution = self._over_iterator(kind, None, {})
        if kind == "train":
            # A step that creates the optimizer's variables would be traced twice.
            self.build_optimizer()
        steps = model.steps_per_execution
        made = _trace_once(make, steps) if execution.traces_once else make(force=True)
        self._functions[kind] = made
        return made

    def evaluate_locally(self, data: tf.data.Dataset, kwargs: Mapping[str, Any]) -> Any:
        """Evaluates in this process, where parameter servers hold the weights."""
        steps, callbacks = kwargs.get("steps"), kwargs.get("callbacks")
        logs = evaluate_locally(self._model, self._local_test_step, data, steps, callbacks)
        return logs if kwargs.get("return_dict") else [*logs.values()]

    def after_reading(self, kind: str, batch: Any) -> contextlib.AbstractContextManager[None]:
        """Runs the operations of a step once its batch is read: there may be no further batch."""
        # Counting the step, weight decay and the metrics of some losses do not depend on the batch.
        # Steps in memory always have one, and so have those that XLA compiles as one operation.
        execution = self._active[kind]
        is_in_memory = execution is not None and execution.loop is not None
        if is_in_memory or self._model.jit_compile:
            if not is_in_memory:
                check_compilable(self._model, batch)
            return contextlib.nullcontext()
        parts = tf.nest.flatten(batch, expand_composites=True)
        return tf.control_dependencies([part for part in parts if tf.is_tensor(part)])

    def has_examples(self, batch: Any) -> tf.Tensor | None:
        """Whether a training batch has examples; `None` if it always has."""
        execution, first = self._active["train"], tf.nest.flatten(batch)[0]
        if (execution is not None and execution.loop is not None) or first.shape[:1].num_elements():
            return None
        return (first.nrows() if isinstance(first, tf.RaggedTensor) else tf.shape(first)[0]) > 0

    @property
    def is_training(self) -> bool:
        """Whether `fit` runs, and not a callback's own use of the model."""
        return self._active["train"] is not None

    def check_trainable(self) -> None:
        """Raises if a layer was frozen or unfrozen since `compile`, which Keras would ignore."""
        changed = [layer for layer, value in self._trainable.items() if layer.trainable != value]
        if changed:
            names = ", ".join(repr(layer.name) for layer in changed[:3])
            fix = "Call compile again, with a new optimizer if layers became trainable."
            raise ValueError(
                "The attribute trainable of a layer must not change between compile and fit, nor "
                f"during fit. Got: {changed[0].trainable} instead of {not changed[0].trainable} "
                f"for {names}{', ...' if changed[3:] else ''}. {fix}"
            )

    def build_optimizer(self, indices: Sequence[int] | None = None) -> None:
        """Creates the optimizer's variables, by default those of all trainable weights."""
        model = self._model
        weights = self._weights() if indices else model.trainable_variables
        with model.distribute_strategy.scope():
            build_optimizer(model.optimizer, [weights[i] for i in indices] if indices else weights)

    def optimized_indices(self) -> list[int] | None:
        """Indices of the weights that the optimizer has variables of, unless it is the default."""
        indices = optimized_indices(self._model.optimizer, self._weights())
        return None if indices == [*range(len(self._model.trainable_variables))] else indices

    def _weights(self) -> list[tf.Variable]:
        """The weights that an optimizer may have variables of: first the trainable ones."""
        trainable = self._model.trainable_variables
        known = {id(weight) for weight in trainable}
        every = (weight for network in self._networks for weight in network.weights)
        return [*trainable, *(weight for weight in every if id(weight) not in known)]

    @property
    def dense_update_limit(self) -> float | None:
        """Rows of the largest embedding table to update as a whole; `None` to leave it open."""
        execution = self._active["train"]
        if execution is None or execution.loop is None:
            return None
        return dense_update_limit(execution.loop.rows_a_step, compiled=execution.loop.compiled)


def _trace_once(make: Callable[..., Any], steps: tf.Variable) -> Any:
    """A function of several steps in which a step is traced once; Keras traces it twice."""
    number = int(steps.numpy())
    steps.assign(1)
    try:
        one_step = make(force=True)
    finally:
        steps.assign(number)

    @tf.function(reduce_retracing=True)
    def several_steps(iterator: Any) -> Any:
        logs = one_step(iterator)
        for _ in tf.range(1, steps):
            logs = one_step(iterator)
        return logs

    return several_steps
