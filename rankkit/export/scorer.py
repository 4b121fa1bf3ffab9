"""Base class of the scorers loaded from files."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import unknown


class ExportScorer:
    """An exported file as a scorer.

    Attributes:
        widths: Name of each output to how many numbers a row it gives.
        score: Name of the output that is the score.
    """

    widths: dict[str, int]
    score: str

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        raise NotImplementedError

    def outputs_of(self, columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Gives all that the file gives, such as the scores of several heads.

        Args:
            columns: Feature name to values, one a row.

        Returns:
            Name to values of shape `(rows, ...)`.
        """
        raise NotImplementedError

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Scores rows.

        Args:
            columns: Feature name to values, one a row.

        Returns:
            Scores of shape `(rows, 1)`, `float32`.
        """
        return self.outputs_of(columns)[self.score]

    def head(self, name: str) -> Self:
        """Gives one head as a scorer, of a file with several.

        Args:
            name: The head.

        Raises:
            ValueError: If there is no such head.
        """
        known = [each for each, width in self.widths.items() if width == 1 and each != self.score]
        if name not in known:
            raise unknown("head", name, known)
        head = copy.copy(self)
        head.score = name
        return head
