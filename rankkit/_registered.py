"""What `rankkit.rank` asks of candidates that were registered ahead."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._queries import Columns


class Registered:
    """Candidates that a scorer knows already.

    Attributes:
        columns: Their columns, name to values.
    """

    columns: Columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def check(self, scorer: Any) -> None:
        """Refuses a scorer that they were not registered for.

        Raises:
            ValueError: If it is another.
        """
        raise NotImplementedError

    def scores(self, query: Mapping[str, tf.Tensor], best: int) -> np.ndarray:
        """Gives their scores for a query, `(candidates,)`.

        Args:
            query: The query's features, each of one row.
            best: So many of the best scores have to be right; others may be `-inf`.
        """
        raise NotImplementedError
