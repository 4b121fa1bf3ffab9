"""`load`: scorers from saved files."""

import os
from pathlib import Path
from typing import Any

from rankkit.export.keras_file import load_keras_file
from rankkit.export.saved_model import SavedModelScorer
from rankkit.export.tflite import TFLiteScorer
from rankkit.utils.errors import check_path


def load(path: str | os.PathLike[str]) -> Any:
    """Loads a scorer: a function from a dict of columns to one score per row, for `rankkit.rank`.

    Args:
        path: A SavedModel folder of `save`, a `.tflite` file of `to_tflite`, or a `.keras` file of
            `RankingModel.save` or of a network. A SavedModel is a program: load only files that
            you trust. A `.keras` file is checked first: it may contain classes of Keras, of
            rankkit, and those registered by `tf.keras.saving.register_keras_serializable`;
            anything that runs other code, such as a `Lambda` layer, is refused.

    Returns:
        A scorer with `feature_specs`. From a `.keras` file, the `RankingModel` itself, compiled
        as it was when saved, so that training can continue.

    Raises:
        FileNotFoundError: If the file or folder does not exist.
        ValueError: If it cannot be read, its checksum differs, or a `.keras` file may run code.

    Warns:
        UserWarning: If a SavedModel or `.tflite` file has no checksum, so that damage to it may go
            unnoticed: other software or an older version wrote it.
    """
    path = Path(check_path("path", path))
    if not path.exists():
        raise FileNotFoundError(
            f"Nothing exists at path={str(path)!r}. Pass a SavedModel folder, a .tflite file or a "
            ".keras file."
        )
    if path.is_dir():
        return SavedModelScorer(path)
    return load_keras_file(path) if path.suffix == ".keras" else TFLiteScorer(path)
