"""What is around `fit` and `evaluate`: plain errors, files written whole."""

import contextlib
import os
import re
import traceback
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._files import written_whole
from rankkit._parameter_servers import has_servers
from rankkit._running import Running
from rankkit._same_on_workers import check_workers

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


class Fitting(Running):
    """A model whose `fit`, `evaluate` and `predict` say what is wrong in one line."""

    def fit(self, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        if (weights := kwargs.get("class_weight")) is not None:
            fix = "Make a column of weights, and name it as the model's sample_weight."
            raise invalid("class_weight", weights, "left out", fix)
        check_workers(self, args[0] if args else kwargs.get("x"))
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
        if has_servers(self.distribute_strategy):
            fix = "save_weights(path) keeps them; a model made without the strategy loads them."
            raise invalid("strategy", "of parameter servers", "another to save a model", fix)
        if not overwrite and os.path.exists(path):
            super().save(path, overwrite=False, **kwargs)  # Keras asks
            return
        with written_whole(path, replace=True) as part:
            super().save(part, **kwargs)
