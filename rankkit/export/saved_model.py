"""A SavedModel as TensorFlow Serving expects it: named columns in, ratings or an order out."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._features import check_names
from rankkit._files import written_whole
from rankkit._heads import named_outputs, score_name
from rankkit.export.export_scorer import ExportScorer
from rankkit.export.parity import check_parity, sample_columns
from rankkit.network import feature_specs, select_features


def save(
    model: Any, path: str | os.PathLike[str], *, sample: Mapping[str, Any] | None = None
) -> None:
    """Writes a model as a SavedModel, and checks that it scores as the model does.

    The folder has two signatures. `serving_default` takes one value a row for each feature and
    gives `rating`, `(batch, 1)`; of a network that gives a dict, its `score` and all else by name.
    `rank` takes the same columns, where those of length 1 (the query) are repeated for the others
    (the candidates), and `k`, a scalar `tf.int32`; it gives the best `min(k, candidates)` rows in
    order: `rating`, or `score` and all else, `index` (the row's place in the input) and each
    feature. `tf.saved_model.load` gives an object that is called with a dict of columns.

    Args:
        model: A `RankingModel`, a head of one (`model.head(...)`), or a network.
        path: Folder to make, named by a version number, such as `"export/1"`: TensorFlow Serving
            serves the highest number.
        sample: A few rows to compare scores on, feature name to values. Defaults to `None`: rows
            made up from the layers' vocabularies, unknown ids included.

    Raises:
        ValueError: If the folder is not named by a positive number, a feature has a name that no
            export can take, or the SavedModel scores otherwise than the model.
        FileExistsError: If the folder exists.
        OSError: If it cannot be written.
    """
    network = getattr(model, "network", model)
    specs = feature_specs(network)
    if not Path(path).name.isdecimal() or int(Path(path).name) < 1:
        fix = f"TensorFlow Serving looks for numbered folders: {str(Path(path) / '1')!r}."
        raise invalid("path", str(path), "a folder named by a version number", fix)
    check_names(specs)
    columns = select_features(sample_columns(network) if sample is None else sample, specs)
    with written_whole(path) as part:
        servable = _Servable(network, specs, columns)
        _write(servable, part)
        check_parity("The SavedModel", tf.saved_model.load(str(part)), network, columns)


class _Servable(tf.Module):
    """What is written: the graph functions, and the variables and tables they use."""

    def __init__(
        self,
        network: tf.keras.Model,
        specs: dict[str, tf.TensorSpec],
        sample: dict[str, tf.Tensor],
    ):
        super().__init__(name="ranker")
        self._specs = specs
        self._weights = network.variables
        # The network itself stays out: Keras would save a trace of each of its layers.
        self._tables = [
            part
            for part in tf.train.TrackableView(network).descendants()
            if isinstance(part, tf.lookup.StaticHashTable)
        ]
        self.__call__ = tf.function(
            lambda features: network(features), input_signature=[specs], autograph=False
        )
        # The rows it was checked on travel with it, for whoever converts it further.
        self.sample = tf.function(lambda: sample, input_signature=[], autograph=False)

    def signatures(self) -> dict[str, Any]:
        k = tf.TensorSpec((), tf.int32, "k")
        return {
            "serving_default": tf.function(self._rate, autograph=False).get_concrete_function(
                **self._specs
            ),
            "rank": tf.function(self._rank, autograph=False).get_concrete_function(
                k=k, **self._specs
            ),
        }

    def _rate(self, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        return named_outputs(self.__call__(columns))

    def _rank(self, k: tf.Tensor, **columns: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.debugging.assert_positive(k, "k must be an integer of at least 1.")
        lengths = tf.stack([tf.shape(column)[0] for column in columns.values()])
        rows = tf.reduce_max(lengths) * tf.reduce_min(tf.minimum(lengths, 1))
        columns = {name: _repeated(column, rows) for name, column in columns.items()}
        outputs = named_outputs(self.__call__(columns))
        name = score_name(outputs)
        scores = tf.squeeze(outputs.pop(name), axis=1)  # (rows,)
        # Of equal scores, top_k puts the one that came first ahead.
        scores, index = tf.math.top_k(scores, tf.minimum(k, rows))
        columns |= outputs
        best = {name: tf.gather(column, index) for name, column in columns.items()}
        return {name: scores, "index": index, **best}


def _repeated(column: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """A column of one row, repeated; any other must have that many rows already."""
    return tf.broadcast_to(column, tf.concat([[rows], tf.shape(column)[1:]], axis=0))


def _write(servable: _Servable, folder: Path) -> None:
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # Where the assets went is no news to whoever named the folder.
    try:
        tf.saved_model.save(servable, str(folder), signatures=servable.signatures())
    except tf.errors.OpError as error:
        raise OSError(f"Cannot write the SavedModel to {str(folder)!r}: {error.message}") from None
    finally:
        logger.setLevel(level)


class SavedModelScorer(ExportScorer):
    """A SavedModel of `rankkit.export.save`, as a scorer.

    Args:
        path: The folder.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If it is no SavedModel, a broken one, or one without a `serving_default` of
            named columns and one `rating` or `score`.
    """

    def __init__(self, path: str | os.PathLike[str]):
        if not Path(path).is_dir():
            raise FileNotFoundError(f"No SavedModel folder at {str(path)!r}.")
        try:
            self.loaded = tf.saved_model.load(str(path))
            self._serve = self.loaded.signatures["serving_default"]
            outputs = self._serve.structured_outputs
            self.widths = {name: spec.shape[-1] for name, spec in outputs.items()}
            self.score = score_name(self.widths)
        except (tf.errors.OpError, OSError, LookupError, ValueError, TypeError) as error:
            raise ValueError(
                f"{str(path)!r} cannot be read as a SavedModel of rankkit.export.save: {error} "
                "Write it again."
            ) from None

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return dict(self._serve.structured_input_signature[1])

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        outputs = self._serve(**select_features(columns, self.feature_specs))
        return {name: output.numpy() for name, output in outputs.items()}
