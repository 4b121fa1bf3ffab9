"""`load`: scorers from saved files."""

import os
import zipfile
from pathlib import Path
from typing import Any

import tensorflow as tf

from rankkit.export.saved_model import SavedModelScorer
from rankkit.export.tflite import TFLiteScorer
from rankkit.utils.errors import unreadable


def load(path: str | os.PathLike[str]) -> Any:
    """Loads a scorer: a function from a dict of columns to one score per row, for `rankkit.rank`.

    Args:
        path: A SavedModel folder of `save`, a `.tflite` file of `to_tflite`, or a `.keras` file of
            `RankingModel.save`.

    Returns:
        A scorer with `feature_specs`. From a `.keras` file, the `RankingModel` itself, compiled
        as it was when saved, so that training can continue.

    Raises:
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If it cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"Nothing exists at path={str(path)!r}. Pass a SavedModel folder, a .tflite file or a "
            ".keras file."
        )
    if path.is_dir():
        return SavedModelScorer(path)
    if path.suffix != ".keras":
        return TFLiteScorer(path)
    try:
        return tf.keras.models.load_model(path)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError, TypeError) as error:
        raise unreadable(path, "a .keras file", error) from None
