"""Base class of the scorers loaded from exported files."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import unknown


class ExportScorer:
    """An exported file as a scorer.

    Attributes:
        feature_specs: Feature name to the `tf.TensorSpec` of its raw values.
        widths: Output name to the size of its last axis.
        score: Name of the output that is the score.
    """

    feature_specs: dict[str, tf.TensorSpec]
    widths: dict[str, int]
    score: str

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
        if name not in known:
            raise unknown("head", name, known)
        head = copy.copy(self)
        head.score = name
        return head
