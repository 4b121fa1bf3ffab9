"""Export and loading of SavedModels."""

import functools
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_cells, as_list
from rankkit.core.features import NUMBER_PADDING, TEXT_PADDING, check_names
from rankkit.core.list_context import check_independent_rows
from rankkit.data.columns import check_table
from rankkit.distributed.parameter_server import gathered
from rankkit.export.description import Description, describe, read_description, write_description
from rankkit.export.parity import check_parity, check_rank_signatures, make_sample
from rankkit.export.scorer import ExportScorer
from rankkit.export.servable import Servable
from rankkit.models.heads import named_outputs
from rankkit.models.network import feature_specs, select_features
from rankkit.ranking.candidates import PrecomputedCandidates, indexable_columns
from rankkit.ranking.scoring import check_finite_scores, scatter_scores
from rankkit.utils.checksum import check_folder, seal_folder, warn_without_checksum
from rankkit.utils.errors import check_path, invalid, unreadable
from rankkit.utils.files import version_number, write_atomically
from rankkit.utils.graph_errors import plain_errors
from rankkit.utils.score import SCORE, score_name


class SavedCandidateIndex(PrecomputedCandidates):
    """Candidate index of a SavedModel, ranked by its signature `rank_indexed`."""

    def __init__(self, scorer: Any, loaded: Any):
        self._scorer = scorer
        self._rank = loaded.signatures["rank_indexed"]
        self.columns = {
            name: as_cells(tf.convert_to_tensor(column), name)
            for name, column in loaded.candidates.items()
        }
        for name, spec in scorer.feature_specs.items():
            if name in self.columns and spec.shape.rank == 2 and spec.shape[1] is None:
                self.columns[name] = list(map(_without_padding, self.columns[name]))

    def __reduce__(self) -> tuple:
        return getattr, (self._scorer, "candidates")

    def check(self, scorer: Any) -> None:
        if scorer is not self._scorer:
            fix = "Use the candidates of the loaded scorer; its heads have none."
            raise invalid("candidates", self, "an index of this scorer", fix)

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        with plain_errors():
            outputs = self._rank(k=tf.constant(best), **query)
        scores = scatter_scores(outputs, len(self))
        check_finite_scores(scores[outputs["index"].numpy()])
        return scores


def _without_padding(cell: Any) -> list:
    values = as_list(cell)
    while values and values[-1] in (TEXT_PADDING, NUMBER_PADDING):
        values.pop()
    return values


def save(
    model: Any,
    path: str | os.PathLike[str],
    *,
    candidates: Any = None,
    sample: Mapping[str, Any] | None = None,
) -> None:
    """Writes a model as a SavedModel, and checks that it has the scores of the model.

    The SavedModel has two signatures:

    - `serving_default` takes a column of each feature and returns `rating`, `(batch, 1)`. If the
      network has several outputs, it returns `score` and all others by name.
    - `rank` takes the same columns and `k`, a scalar `tf.int32`. Columns of length 1 (the query)
      are repeated for the others (the candidates), and the query side is computed once. It
      returns the best `min(k, candidates)` rows in order: `rating`, or `score` and all others;
      `index`, the position of the row in the input; and each feature.

    With `candidates`, there is a third one, `rank_indexed`, and the SavedModel holds a candidate
    index with the item-side activations. It takes the query's features, each of length 1, and
    `k`, and returns the same as `rank` for the candidates of the index.

    The object that `tf.saved_model.load` returns can be called with a dict of columns. The file
    `assets.extra/SHA256SUMS` has checksums, which `rankkit.export.load` verifies, and
    `assets.extra/rankkit.json` the label and the `score_kind` of a `RankingModel` or a head.

    Args:
        model: A `RankingModel`, a head of one (`model.head(...)`), or a network.
        path: Folder to write, named by a version number, such as `"export/1"`: TensorFlow Serving
            serves the highest number.
        candidates: Candidates to index: column name to values, one per candidate, or a DataFrame.
            Columns that are not features are returned with the best candidates. Defaults to
            `None`, no index.
        sample: A few rows to compare scores on, feature name to values. Defaults to `None`: rows
            made from the vocabularies of the layers, with out-of-vocabulary ids.

    Raises:
        ValueError: If the folder is not named by a positive number, a feature has a name that
            cannot be exported, candidates have no feature or a column with the name of an output,
            or the scores of the SavedModel differ from those of the model.
        FileExistsError: If the folder exists, or another one has the same number, such as "01".
        OSError: If it cannot be written.
    """
    path = check_path("path", path)
    network = gathered(getattr(model, "network", model))
    specs = feature_specs(network)
    version = version_number(Path(path).name)
    if version is None:
        fix = f"TensorFlow Serving looks for numbered folders: {str(Path(path) / '1')!r}."
        raise invalid("path", str(path), "a folder named by a version number below 2**63", fix)
    for other in Path(path).absolute().parent.glob("[0-9]*"):
        if version_number(other.name) == version and other.name != Path(path).name:
            raise FileExistsError(
                f"TensorFlow Serving reads {other.name!r} as the same version as {str(path)!r}, "
                "and would serve one of the two folders. Choose another number."
            )
    check_names(specs, "column")
    if sample is not None:
        check_table("sample", sample)
    columns = select_features(make_sample(network) if sample is None else sample, specs)
    index = None
    if candidates is not None:
        check_independent_rows(network, "A candidate index", "Pass candidates=None.")
        index = indexable_columns(candidates, specs)
        check_names(index, "column")
        if taken := set(index) & set(named_outputs(network.output)):
            expected = "different from the names of the outputs"
            raise invalid("each column name of candidates", min(taken), expected, "Rename it.")
    with write_atomically(path) as part:
        _write(Servable(network, specs, columns, index), describe(model), part)
        loaded = tf.saved_model.load(str(part))
        check_parity("The SavedModel", loaded, network, columns)
        check_rank_signatures(loaded, network, columns, index)


def _write(servable: Servable, description: Description, folder: Path) -> None:
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # TensorFlow logs where it writes assets
    try:
        tf.saved_model.save(servable, str(folder), signatures=servable.signatures())
    finally:
        logger.setLevel(level)
    write_description(description, folder)
    seal_folder(folder)


class SavedModelScorer(ExportScorer):
    """A SavedModel of `rankkit.export.save` as a scorer.

    Args:
        path: The folder.

    Attributes:
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.

    Raises:
        FileNotFoundError: If the folder does not exist.
        ValueError: If it is not a SavedModel, is damaged, or has no signature `serving_default`
            with named columns and one output `rating` or `score`.
    """

    def __init__(self, path: str | os.PathLike[str]):
        path = check_path("path", path)
        if not Path(path).is_dir():
            raise FileNotFoundError(
                f"No folder exists at path={str(path)!r}. Pass a SavedModel folder of "
                "rankkit.export.save."
            )
        super().__init__(path)
        try:
            has_checksum = check_folder(Path(path))
            self.loaded = tf.saved_model.load(str(path))
            self._serve = self.loaded.signatures["serving_default"]
            self.feature_specs = dict(self._serve.structured_input_signature[1])
            outputs = self._serve.structured_outputs
            self.widths = {name: spec.shape[-1] for name, spec in outputs.items()}
            self.score = score_name(self.widths)
            self.description = read_description(Path(path))
        except (tf.errors.OpError, OSError, LookupError, ValueError, TypeError) as error:
            raise unreadable(path, "a SavedModel of rankkit.export.save", error) from None
        if not has_checksum:
            warn_without_checksum(Path(path))

    @functools.cached_property
    def rank_signature(self) -> Any:
        """The signature by which `rankkit.rank` ranks the candidates of one query.

        `None` for one of several heads, and for a SavedModel without it.
        """
        is_head = self.score not in (SCORE, "rating")
        if is_head or "rank" not in self.loaded.signatures:
            return None
        signature = self.loaded.signatures["rank"]

        def ranked(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            # The sorted columns, the query repeated among them, are then not computed.
            outputs = signature(**inputs)
            return {name: outputs[name] for name in ("index", self.score)}

        specs = signature.structured_input_signature[1]
        return tf.function(ranked, autograph=False).get_concrete_function(**specs)

    @functools.cached_property
    def candidates(self) -> SavedCandidateIndex:
        """The candidate index of the SavedModel, for `rankkit.rank`.

        Raises:
            ValueError: If it was exported without one, or for one of several heads.
        """
        if self.score not in (SCORE, "rating"):
            raise ValueError(
                f"A candidate index has no scores of a single head. Got: head {self.score!r}. Use "
                "the candidates of the loaded scorer, or pass columns of candidates."
            )
        if "rank_indexed" not in self.loaded.signatures:
            fix = "Write it with rankkit.export.save(..., candidates=...)."
            raise invalid("path", self._path, "a SavedModel that has a candidate index", fix)
        return SavedCandidateIndex(self, self.loaded)

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        with plain_errors():
            outputs = self._serve(**self._select_features(columns))
        return {name: output.numpy() for name, output in outputs.items()}
