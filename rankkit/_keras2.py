"""Makes `tf.keras`, TFRS and keras-tuner use Keras 2.

TFRS needs Keras 2 (`tf_keras`), and TensorFlow uses Keras 3 unless an environment variable is set
before `tf.keras` is first used. keras-tuner imports `keras`, which is Keras 3, and then rejects
models of Keras 2; while keras-tuner is being imported, the name `keras` refers to `tf_keras`.
"""

import contextlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Iterator
from typing import Any


def use_keras_2() -> None:
    """Makes `tf.keras`, `tensorflow_recommenders` and `keras_tuner` use Keras 2.

    Raises:
        ImportError: If Keras 3, or keras-tuner on Keras 3, is already imported.
    """
    config = sys.modules.get("keras_tuner.src.backend.config")
    if config is not None and config.multi_backend():
        raise ImportError(_too_late("keras_tuner"))
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    if sys.modules.get("tensorflow") is not None:
        _replace_keras()
    if not any(isinstance(finder, _KerasTunerFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasTunerFinder())


def _replace_keras() -> None:
    """Makes `tf.keras` Keras 2 in a TensorFlow that was imported before rankkit."""
    import tensorflow as tf
    import tf_keras

    # A plain `import tensorflow` before this line has not resolved `tf.keras` yet, but it has set
    # the folders in which `from tensorflow.keras import ...` searches.
    legacy = os.path.join(os.path.dirname(tf_keras.__file__), "api", "_v2")
    if legacy not in tf.__path__:
        tf.__path__.insert(0, legacy)
    if not tf.keras.Model.__module__.startswith("tf_keras"):
        raise ImportError(_too_late("Keras 3 (as tf.keras)"))


def _too_late(what: str) -> str:
    return (
        f"rankkit needs Keras 2 (tf_keras), but {what} was imported before rankkit and cannot be "
        "replaced. Import rankkit first, or set TF_USE_LEGACY_KERAS=1 before Python starts and use "
        "tf.keras."
    )


@contextlib.contextmanager
def _keras_2_named_keras() -> Iterator[None]:
    import tf_keras

    before = sys.modules.get("keras")
    sys.modules["keras"] = tf_keras
    try:
        yield
    finally:
        if before is None:
            del sys.modules["keras"]
        else:
            sys.modules["keras"] = before


class _Keras2Loader(importlib.abc.Loader):
    """Runs a module's own loader while `keras` means `tf_keras`."""

    def __init__(self, loader: Any):
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        with _keras_2_named_keras():
            self._loader.exec_module(module)


class _KerasTunerFinder(importlib.abc.MetaPathFinder):
    """Finds `keras_tuner` as Python does, and has it loaded on Keras 2."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != "keras_tuner":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None:
            spec.loader = _Keras2Loader(spec.loader)
        return spec
