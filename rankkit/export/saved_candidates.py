"""The candidates that were registered with a SavedModel."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._cells import as_list, is_column
from rankkit._errors import invalid
from rankkit._features import NUMBER_PADDING, TEXT_PADDING
from rankkit._one_query import in_order
from rankkit._registered import Registered
from rankkit._scoring import finite


class SavedCandidates(Registered):
    """Candidates of a SavedModel, to be ranked by its `rank_registered` signature.

    Args:
        scorer: The SavedModel as a scorer.
        loaded: The SavedModel as TensorFlow loads it.
    """

    def __init__(self, scorer: Any, loaded: Any):
        self._scorer = scorer
        self._rank = loaded.signatures["rank_registered"]
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
