"""Export and loading of TensorFlow Lite files."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.export.parity import check_parity
from rankkit.export.saved_model import SavedModelScorer
from rankkit.export.scorer import ExportScorer
from rankkit.models.heads import score_name
from rankkit.models.network import select_features
from rankkit.utils.errors import unreadable
from rankkit.utils.files import written_whole

_SIGNATURE = "serving_default"


def to_tflite(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    sample: Mapping[str, Any] | None = None,
) -> None:
    """Converts a SavedModel of `rankkit.export.save`, and checks that it scores as before.

    The file has the signature `serving_default` of the SavedModel, strings and any number of rows
    included, and needs built-in operations alone, so that every TensorFlow Lite runtime runs it.

    Args:
        source: Folder of the SavedModel.
        path: File to make, such as `"ranker.tflite"`.
        sample: A few rows to compare scores on, feature name to values. Defaults to `None`: the
            rows that the SavedModel itself was checked on.

    Raises:
        ValueError: If the network needs operations that TensorFlow Lite does not have built in,
            or the file scores otherwise than the SavedModel.
        FileNotFoundError: If there is no SavedModel.
        FileExistsError: If the file exists.
        OSError: If it cannot be written.
    """
    scorer = SavedModelScorer(source)
    with written_whole(path) as part:
        part.write_bytes(_convert(str(source)))
        columns = scorer.loaded.sample() if sample is None else sample
        check_parity("The TensorFlow Lite file", TFLiteScorer(part), scorer, columns)


def _convert(source: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=[_SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:  # The converter's own error class is not public.
        lines = [line for line in str(error).splitlines() if " ops: " in line] or [str(error)]
        raise ValueError(
            "The network must need built-in TensorFlow Lite operations alone. Got: "
            f"{lines[-1].strip()}. Hashed ids are one cause: use IdEmbedding with "
            "num_oov_indices=1. Splitting text is another: hold the text of an id split, with "
            "rankkit.layers.Attribute. Half precision is a third: export a network made without it."
        ) from None


class TFLiteScorer(ExportScorer):
    """A TensorFlow Lite file of `rankkit.export.to_tflite`, as a scorer.

    Run by LiteRT (`ai_edge_litert`). Like its interpreter, it serves one thread at a time.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no TensorFlow Lite file, a broken one, or one without a
            `serving_default` of named columns and one `rating` or `score`.
    """

    def __init__(self, path: str | os.PathLike[str]):
        from ai_edge_litert.interpreter import Interpreter

        if not Path(path).is_file():
            raise FileNotFoundError(f"No TensorFlow Lite file at {str(path)!r}.")
        self._path = str(path)
        try:
            # Kept, since the runner below only points into it.
            self._interpreter = Interpreter(model_path=str(path))
            self._run = self._interpreter.get_signature_runner(_SIGNATURE)
            outputs = self._run.get_output_details()
            self.widths = {name: int(each["shape"][-1]) for name, each in outputs.items()}
            self.score = score_name(self.widths)
        except (ValueError, RuntimeError, LookupError) as error:
            raise unreadable(path, "a file of rankkit.export.to_tflite", error) from None

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return {
            name: tf.TensorSpec(_shape(details), _dtype(details), name)
            for name, details in self._run.get_input_details().items()
        }

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        features = select_features(columns, self.feature_specs)
        inputs = {name: tensor.numpy() for name, tensor in features.items()}
        try:
            return self._run(**inputs)
        except RuntimeError as error:
            raise ValueError(f"{self._path!r} cannot be run: {error}. Write it again.") from None


def _shape(details: Mapping[str, Any]) -> list[int | None]:
    """The shape of an input; its first dimension is the batch, another of -1 any length."""
    return [None, *(size if size >= 0 else None for size in details["shape_signature"][1:])]


def _dtype(details: Mapping[str, Any]) -> tf.DType:
    return tf.string if details["dtype"] is np.bytes_ else tf.as_dtype(details["dtype"])
