"""What is around a training step: loops traced once, plain errors, files written whole."""

import contextlib
import os
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._errors import invalid
from rankkit._files import written_whole

# What the checks of batches and layers say, which come back from a graph in TensorFlow's message.
_CHECKS = re.compile(
    r"(label|sample_weight)[^\n\]]* must be (finite|at least 0)\.[^\n]*rows\."
    r"|(labels|sample weights) must be one a (row|list)[^\n\]]*\."
    r"|Labels must be [^\n]*\. Got:\] \[[^\]]*\] \[\.[^\]\n'\"]*\."
    r"|rows of a \w+ must be at most list_size=[^\n\]]*"
    r"|Numbers of layer [^\n]* must be finite\.[^\n]*?(?= : Tensor had)"
)


@contextlib.contextmanager
def value_errors() -> Iterator[None]:
    """Gives rankkit's errors as they were raised; TensorFlow and Keras bury them in a stack."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        # Eagerly, the parts of a message come line by line.
        message = re.sub(r"['\"]\n([^\n]*)\nb['\"]", r"] [\1] [", error.message)
        found = _CHECKS.search(message)
        if not found:
            raise
        words = found.group().replace("\\'", "'")
        raise ValueError(words.replace("Got:] [", "Got: ").replace("] [.", ".")) from None
    except (ValueError, TypeError) as error:
        traced = getattr(error, "ag_error_metadata", None)
        if traced is None or not _raised_here(error):
            raise
        words = traced.cause_message.removeprefix(f"{type(error).__name__}: ")
        raise type(error)(words) from None


def _raised_here(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "").startswith("rankkit.")


class Fitting(tfrs.models.Model):
    """A TFRS model whose `fit`, `evaluate` and `predict` say what is wrong in one line."""

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

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            # A step that makes the optimizer's variables would be traced again without them.
            self.build_optimizer()
            self.train_function = self._several(super().make_train_function)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            self.test_function = self._several(super().make_test_function)
        return self.test_function

    @contextlib.contextmanager
    def several_steps(self, number: int) -> Iterator[None]:
        """Runs so many steps in each call of the graph, within the context alone.

        Args:
            number: How many; the size of the data has to be known, if they are several.
        """
        self._run_steps(number)
        try:
            yield
        finally:
            self._run_steps(1)

    def _run_steps(self, number: int) -> None:
        if int(self._steps_per_execution.numpy()) != number:
            self._steps_per_execution.assign(number)
            self.train_function = self.test_function = self.predict_function = None

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

    def fit(self, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        if (weights := kwargs.get("class_weight")) is not None:
            fix = "Make a column of weights, and name it as the model's sample_weight."
            raise invalid("class_weight", weights, "left out", fix)
        with value_errors():
            history = super().fit(*args, **kwargs)
        self.tell()
        return history

    def reset_metrics(self) -> None:
        self.tell()  # Keras resets them before each epoch and each evaluation
        super().reset_metrics()

    def tell(self) -> None:
        """Says what an epoch has shown of the data, if anything."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().predict(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().train_on_batch(*args, **kwargs)

    def get_compile_config(self) -> dict[str, Any] | None:
        if not hasattr(self, "_compile_arguments"):
            return None
        return tf.keras.saving.serialize_keras_object(
            {"optimizer": self.optimizer, **vars(self._compile_arguments)}
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**tf.keras.saving.deserialize_keras_object(config))
        self.build_optimizer()

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the model to a `.keras` file, whole or not at all.

        Args:
            filepath: The file, with its ending.
            overwrite: Whether to replace an existing file without asking. Defaults to `True`.
            **kwargs: Further keyword arguments of `tf.keras.Model.save`.

        Raises:
            ValueError: If the file does not end in `.keras`.
        """
        path = os.fspath(filepath)
        if not path.endswith(".keras"):
            fix = "To serve the model, use rankkit.export.save."
            raise invalid("filepath", path, "a file that ends in .keras", fix)
        if not overwrite and os.path.exists(path):
            super().save(path, overwrite=False, **kwargs)  # Keras asks
            return
        with written_whole(path, replace=True) as part:
            super().save(part, **kwargs)
