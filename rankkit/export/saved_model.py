"""Export and loading of SavedModels."""

import functools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_list, is_column
from rankkit.core.features import NUMBER_PADDING, TEXT_PADDING, check_names
from rankkit.distributed.parameter_server import gathered
from rankkit.export.parity import check_parity, check_ranking, sample_columns
from rankkit.export.scorer import ExportScorer
from rankkit.export.servable import Servable
from rankkit.models.heads import SCORE, named_outputs, score_name
from rankkit.models.network import feature_specs, select_features
from rankkit.ranking.candidates import Registered, registrable
from rankkit.ranking.queries import Columns
from rankkit.ranking.scoring import finite, in_order
from rankkit.utils.errors import invalid, unreadable
from rankkit.utils.files import written_whole


class SavedCandidates(Registered):
    """Candidates of a SavedModel, to be ranked by its `rank_indexed` signature.

    Args:
        scorer: The SavedModel as a scorer.
        loaded: The SavedModel as TensorFlow loads it.
    """

    def __init__(self, scorer: Any, loaded: Any):
        self._scorer = scorer
        self._rank = loaded.signatures["rank_indexed"]
        self.columns = {
            name: [_unfilled(cell) for cell in as_list(tf.convert_to_tensor(column))]
            for name, column in loaded.candidates.items()
        }

    def check(self, scorer: Any) -> None:
        if scorer is not self._scorer:
            fix = "Take the candidates of the scorer itself, not of one of its heads or another."
            raise invalid("candidates", self, "registered with the scorer", fix)

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        outputs = self._rank(k=tf.constant(best), **query)
        scores = in_order(outputs, len(self))
        finite(scores[outputs["index"].numpy()])
        return scores

    def __repr__(self) -> str:
        return f"SavedCandidates({len(self):,} of {', '.join(map(repr, self.columns))})"


def _unfilled(cell: Any) -> Any:
    """A list without what filled it up to the length of the others."""
    if not is_column(cell):
        return cell
    return [value for value in as_list(cell) if value not in (TEXT_PADDING, NUMBER_PADDING)]


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    candidates: Any = None,
    sample: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model as a SavedModel, and checks that it scores as the model does.

    The folder has these signatures. `serving_default` takes one value a row for each feature and
    gives `rating`, `(batch, 1)`; of a network that gives a dict, its `score` and all else by name.
    `rank` takes the same columns, where those of length 1 (the query) are repeated for the others
    (the candidates), and `k`, a scalar `tf.int32`; it gives the best `min(k, candidates)` rows in
    order: `rating`, or `score` and all else, `index` (the row's place in the input) and each
    feature. What the query alone decides is computed once.

    With `candidates` there is `rank_indexed` too: it takes the query's features, each of length
    1, and `k`, and gives the same of the registered candidates, whose part of the scores is in the
    folder. `tf.saved_model.load` gives an object that is called with a dict of columns.

    Args:
        model: A `RankingModel`, a head of one (`model.head(...)`), or a network.
        path: Folder to make, named by a version number, such as `"export/1"`: TensorFlow Serving
            serves the highest number.
        candidates: Column name to values, one a candidate, or a DataFrame: those to register.
            Columns that are no features come back with the best. Defaults to `None`, none.
        sample: A few rows to compare scores on, feature name to values. Defaults to `None`: rows
            made up from the layers' vocabularies, unknown ids included.

    Raises:
        ValueError: If the folder is not named by a positive number, a feature has a name that no
            export can take, candidates have no feature or a column of an output's name, or the
            SavedModel scores otherwise than the model.
        FileExistsError: If the folder exists.
        OSError: If it cannot be written.
    """
    network = gathered(getattr(model, "network", model))
    specs = feature_specs(network)
    if not Path(path).name.isdecimal() or int(Path(path).name) < 1:
        fix = f"TensorFlow Serving looks for numbered folders: {str(Path(path) / '1')!r}."
        raise invalid("path", str(path), "a folder named by a version number", fix)
    check_names(specs)
    columns = select_features(sample_columns(network) if sample is None else sample, specs)
    registered = None if candidates is None else _registrable(candidates, specs, network)
    with written_whole(path) as part:
        servable = Servable(network, specs, columns, registered)
        _write(servable, part)
        loaded = tf.saved_model.load(str(part))
        check_parity("The SavedModel", loaded, network, columns)
        check_ranking(loaded, network, columns, registered)


def _registrable(
    candidates: Any, specs: Mapping[str, tf.TensorSpec], network: tf.keras.Model
) -> Columns:
    columns = registrable(candidates, specs)
    check_names(columns)
    if taken := set(columns) & set(named_outputs(network.output)):
        fix = "The network has an output of that name: rename the column."
        raise invalid("column of the candidates", min(taken), "none of the outputs' names", fix)
    return columns


def _write(servable: Servable, folder: Path) -> None:
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
            raise unreadable(path, "a SavedModel of rankkit.export.save", error) from None

    @property
    def rank_signature(self) -> Any:
        """The signature that `rankkit.rank` asks for the best of one query's candidates.

        `None` for one of several heads, by which it does not rank, and for a SavedModel without it.
        """
        is_head = self.score not in (SCORE, "rating")
        return None if is_head else self.loaded.signatures.get("rank")

    @functools.cached_property
    def candidates(self) -> SavedCandidates:
        """The candidates that were registered with it, for `rankkit.rank`.

        Raises:
            ValueError: If there are none.
        """
        if "rank_indexed" not in self.loaded.signatures:
            fix = "Write it with rankkit.export.save(..., candidates=...)."
            names = list(self.loaded.signatures)
            expected = "some with 'rank_indexed', for registered candidates"
            raise invalid("signatures of the SavedModel", names, expected, fix)
        return SavedCandidates(self, self.loaded)

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return dict(self._serve.structured_input_signature[1])

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        outputs = self._serve(**select_features(columns, self.feature_specs))
        return {name: output.numpy() for name, output in outputs.items()}
