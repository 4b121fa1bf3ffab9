"""Base class of the scorers loaded from exported files."""

import os
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import tensorflow as tf

from rankkit.export.description import Description
from rankkit.models.network import select_features
from rankkit.utils.errors import check_choice
from rankkit.utils.graph_errors import plain_errors


class ExportScorer:
    """An exported file as a scorer.

    It may be shared by threads, and pickled: the copy is loaded from the same path.

    Attributes:
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.
        widths: Output name to the size of its last axis.
        score: Name of the output that is the score.
        description: Output name to its properties in the exported model; empty for other files.
    """

    feature_specs: dict[str, tf.TensorSpec]
    widths: dict[str, int]
    score: str
    description: Description

    def __init__(self, path: str | os.PathLike[str]):
        self._path = os.path.abspath(path)

    def __reduce__(self) -> tuple:
        return _reload, (type(self), self._path, self.score)

    @property
    def label(self) -> Any:
        """The `label` of the exported model, a column; `None` if that is unknown."""
        return self._described("label")

    @property
    def score_kind(self) -> str | None:
        """The `score_kind` of the exported `RankingModel`; `None` if that is unknown."""
        return self._described("score_kind")

    @property
    def is_partly_labeled(self) -> bool:
        """Whether an evaluation skips rows without a label, as for one of several heads."""
        return bool(self._described("is_partly_labeled"))

    @property
    def compares_rows(self) -> bool:
        """Whether the rows of a call are scored together, as the candidates of one query."""
        return bool(self._described("compares_rows"))

    def _described(self, name: str) -> Any:
        return self.description.get(self.score, {}).get(name)

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Computes all outputs of the file, such as the scores of several heads.

        Args:
            columns: Feature name to values, one per row.

        Returns:
            Output name to values of shape `(rows, ...)`.
        """
        raise NotImplementedError

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Computes the scores, `(rows, 1)` and `float32`, of columns with one value per row."""
        return self.outputs_of(columns)[self.score]

    def head(self, name: str) -> Self:
        """Returns one of several heads as a scorer.

        Args:
            name: Name of the head.

        Raises:
            ValueError: If there is no head of that name.
        """
        known = [each for each, width in self.widths.items() if width == 1 and each != self.score]
        check_choice("head", name, known)
        head = object.__new__(type(self))
        head.__dict__ = {**self.__dict__, "score": name}
        return head

    def _select_features(self, columns: Mapping[str, Any]) -> dict[str, tf.Tensor]:
        """Returns the features as tensors of the declared shapes and of equal length."""
        with plain_errors():
            return select_features(columns, self.feature_specs)


def _reload(kind: type[ExportScorer], path: str, score: str) -> ExportScorer:
    scorer = kind(path)
    return scorer if scorer.score == score else scorer.head(score)
