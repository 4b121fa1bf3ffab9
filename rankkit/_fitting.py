"""The loops around a training step: traced once, and plain in their errors."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

# What the checks of rankkit._batch say, which come back from a graph inside TensorFlow's message.
_CHECKS = re.compile(
    r"(label|sample_weight).* must be finite\.[^\n]*rows\."
    r"|(labels|sample weights) must be one a row[^\n\]]*\."
)


@contextlib.contextmanager
def value_errors() -> Iterator[None]:
    """Gives rankkit's errors as they were raised; TensorFlow and Keras bury them in a stack."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _CHECKS.search(error.message)
        if not found:
            raise
        raise ValueError(found.group()) from None
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
        """Makes the optimizer's variables, which a file's state is loaded into."""
        if hasattr(self.optimizer, "build"):
            self.optimizer.build(self.trainable_variables)
        else:  # a legacy optimizer
            self.optimizer._create_all_weights(self.trainable_variables)

    def make_train_function(self, force: bool = False) -> Any:
        # A step that makes the optimizer's variables would be traced a second time without them.
        if hasattr(self.optimizer, "build"):
            self.build_optimizer()
        return super().make_train_function(force)

    def fit(self, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        with value_errors():
            return super().fit(*args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().predict(*args, **kwargs)
