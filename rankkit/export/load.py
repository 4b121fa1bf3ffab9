"""`load`: scorers from files."""

import os
import zipfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from rankkit.export.saved_model import SavedModelScorer
from rankkit.export.tflite import TFLiteScorer
from rankkit.utils.errors import unreadable


def load(path: str | os.PathLike[str]) -> Any:
    """Loads a scorer: what maps a dict of columns to a score a row, as `rankkit.rank` takes it.

    Args:
        path: A SavedModel folder of `save`, a `.tflite` file of `to_tflite`, or a `.keras` file of
            `RankingModel.save`.

    Returns:
        A scorer with `feature_specs`; from a `.keras` file the `RankingModel` itself, compiled as
        it was, so that training can go on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return SavedModelScorer(path)
    if path.suffix == ".keras":
        return _load_keras(path)
    return TFLiteScorer(path)


def _load_keras(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"No .keras file at {str(path)!r}.")
    try:
        return tf.keras.models.load_model(path)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError) as error:
        raise unreadable(path, "a .keras file", error) from None
