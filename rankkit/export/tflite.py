"""Export and loading of TensorFlow Lite files."""

import os
import re
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.timestamps import check_unit
from rankkit.data.columns import check_table
from rankkit.export.description import add_examples, zip_description
from rankkit.export.parity import check_parity
from rankkit.export.saved_model import SavedModelScorer
from rankkit.export.scorer import ExportScorer
from rankkit.models.finite import check_finite
from rankkit.models.network import select_features
from rankkit.utils.checksum import (
    check_flatbuffer,
    seal_flatbuffer,
    unzip_description,
    warn_without_checksum,
)
from rankkit.utils.errors import check_path, unreadable
from rankkit.utils.event_lists import misaligned
from rankkit.utils.files import write_atomically
from rankkit.utils.graph_errors import plain_errors
from rankkit.utils.score import score_name

_SIGNATURE = "serving_default"


def to_tflite(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    sample: Mapping[str, Any] | None = None,
) -> None:
    """Converts a SavedModel of `rankkit.export.save` to TensorFlow Lite, and checks its scores.

    The file has the signature `serving_default` of the SavedModel: it takes strings, and any
    number of rows. It uses built-in operations only, so that every TensorFlow Lite runtime can
    run it. It begins with a checksum, which these ignore and `rankkit.export.load` verifies, and
    ends with a ZIP archive: the label and the `score_kind` of the SavedModel, the features of the
    query if it has candidates, and a few rows, for `rankkit serve`.

    Args:
        source: Folder of the SavedModel.
        path: File to write, such as `"ranker.tflite"`.
        sample: A few rows to compare scores on, feature name to values. Defaults to `None`: the
            rows on which the SavedModel was checked.

    Raises:
        ValueError: If the network needs operations that are not built into TensorFlow Lite, or
            the scores of the file differ from those of the SavedModel.
        FileNotFoundError: If the SavedModel does not exist.
        FileExistsError: If the file exists.
        OSError: If it cannot be written.
    """
    path = check_path("path", path)
    if sample is not None:
        check_table("sample", sample)
    scorer = SavedModelScorer(check_path("source", source))
    columns = scorer.loaded.sample() if sample is None else sample
    indexed = scorer.loaded.signatures.get("rank_indexed")
    inputs = indexed and sorted(indexed.structured_input_signature[1].keys() - {"k"})
    rows = select_features(columns, scorer.feature_specs)
    end = zip_description(add_examples(scorer.description, scorer.score, rows, inputs))
    with write_atomically(path) as part:
        with part.open("wb") as file:
            file.writelines(seal_flatbuffer(_convert(str(source)), end))
        check_parity("The TensorFlow Lite file", TFLiteScorer(part), scorer, columns)


def _convert(source: str) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(source, signature_keys=[_SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    try:
        return converter.convert()
    except Exception as error:  # the converter's own error class is not public
        operations = dict.fromkeys(re.findall(r"'tf\.(\w+)' op", str(error)))
        raise ValueError(
            "The network must use built-in TensorFlow Lite operations only. Got: "
            f"{', '.join(operations) or str(error).strip()}. "
            "Instead of hashed ids, use IdEmbedding with num_oov_indices=1. "
            "Instead of splitting the text of an id, pass its words to rankkit.layers.Attribute. "
            "Instead of x[..., None], use tf.expand_dims(x, -1). "
            "Instead of dense layers in half precision, build the network in float32 and set its "
            "weights (set_weights)."
        ) from None


class TFLiteScorer(ExportScorer):
    """A TensorFlow Lite file of `rankkit.export.to_tflite` as a scorer.

    LiteRT (`ai_edge_litert`) runs it, for one thread at a time.

    Args:
        path: The file.

    Attributes:
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is not a TensorFlow Lite file, is damaged, or has no signature
            `serving_default` with named columns and one output `rating` or `score`.
    """

    def __init__(self, path: str | os.PathLike[str]):
        from ai_edge_litert.interpreter import Interpreter

        path = check_path("path", path)
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"No file exists at path={str(path)!r}. Pass a .tflite file of "
                "rankkit.export.to_tflite."
            )
        super().__init__(path)
        self._lock = threading.Lock()
        try:
            has_checksum = check_flatbuffer(Path(path))
            # The runner does not keep the interpreter alive.
            self._interpreter = Interpreter(model_path=str(path))
            self._run = self._interpreter.get_signature_runner(_SIGNATURE)
            inputs, outputs = self._run.get_input_details(), self._run.get_output_details()
            self.feature_specs = {name: _input_spec(name, each) for name, each in inputs.items()}
            self.widths = {name: int(each["shape"][-1]) for name, each in outputs.items()}
            self.score = score_name(self.widths)
            self.description = unzip_description(Path(path))
        except (ValueError, RuntimeError, LookupError, zipfile.BadZipFile) as error:
            raise unreadable(path, "a file of rankkit.export.to_tflite", error) from None
        if not has_checksum:
            warn_without_checksum(Path(path))

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        features = self._select_features(columns)
        self._check(features)
        inputs = {name: tensor.numpy() for name, tensor in features.items()}
        try:
            with self._lock:  # the interpreter holds the inputs and outputs of one call
                outputs = self._run(**inputs)
        except (RuntimeError, ValueError) as error:
            shapes = {name: values.shape for name, values in inputs.items()}
            reason = str(error).rstrip(". \n")
            raise ValueError(
                f"TensorFlow Lite cannot score columns of the shapes {shapes} with {self._path!r}: "
                f"{reason}. Score them with the SavedModel that the file was made from."
            ) from None
        if not all(np.isfinite(each).all() for each in outputs.values()):
            numbers = (name for name, each in features.items() if each.dtype.is_floating)
            self._check(features, dict.fromkeys(numbers, False))
        return outputs

    def _check(
        self, features: Mapping[str, tf.Tensor], finite: Mapping[str, bool] | None = None
    ) -> None:
        """Checks what layers check in a graph, and TensorFlow Lite leaves out."""
        with plain_errors():
            for name, may_be_nan in (finite or self._described("finite") or {}).items():
                values = features[name]
                is_nan = tf.math.is_nan(values) & may_be_nan
                check_finite(name, tf.where(is_nan, tf.zeros_like(values), values))
            for name, in_seconds in (self._described("in_seconds") or {}).items():
                check_unit(f"Feature {name!r}", features[name], in_seconds=in_seconds)
        groups = self._described("aligned") or []
        lists = {name: features[name].numpy() for names in groups for name in names}
        if error := misaligned(groups, lists):
            raise ValueError(error)


def _input_spec(name: str, details: Mapping[str, Any]) -> tf.TensorSpec:
    # The first axis is the batch; of the others, -1 means any length.
    sizes = [size if size >= 0 else None for size in details["shape_signature"][1:]]
    dtype = details["dtype"]
    return tf.TensorSpec([None, *sizes], tf.string if dtype is np.bytes_ else dtype, name)
