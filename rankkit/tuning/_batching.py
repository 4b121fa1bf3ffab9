"""How rows become what a model is trained on: batches of rows, of lists, or of drawn clicks."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, missing
from rankkit.data import batches, lists, with_negatives

_VALIDATION_SEED = 0  # of drawn candidates: those of each trial and epoch are the same


@dataclasses.dataclass(frozen=True)
class Batching:
    """Makes batches.

    Attributes:
        columns: The columns to batch.
        lists: Arguments of `rankkit.data.lists`, or `None`.
        negatives: Arguments of `rankkit.data.with_negatives`, or `None`.
        size: Of a batch to train on, if nobody says another: rows, lists or clicks.
        validation_size: Of a batch to validate on.
    """

    columns: list[str]
    lists: dict[str, Any] | None
    negatives: dict[str, Any] | None
    size: int
    validation_size: int

    def get_config(self) -> dict[str, Any]:
        """The columns and how their rows are grouped into examples."""
        return {"columns": self.columns, "lists": self.lists, "negatives": self.negatives}

    def to_train(self, rows: Any, batch_size: int, **order: Any) -> tf.data.Dataset:
        """Gives batches in another order at each pass.

        Args:
            rows: Rows as for `rankkit.data.batches`.
            batch_size: Rows, lists or clicks a batch.
            **order: The seed, and the epoch to begin with.
        """
        return self._make(rows, batch_size, shuffle=True, **order)

    def to_validate(self, rows: Any, known: Any) -> tf.data.Dataset:
        """Gives large batches, as no gradients are kept of them, the same at each pass.

        Args:
            rows: Rows as for `rankkit.data.batches`.
            known: The rows that are trained on, whose clicks are not to be drawn; or `None`.
        """
        more = {}
        if self.negatives is not None:
            more = {"seed": _VALIDATION_SEED, "exclude": known}
        return self._make(rows, self.validation_size, shuffle=False, **more)

    def _make(self, rows: Any, batch_size: int, **order: Any) -> tf.data.Dataset:
        if self.negatives is not None:
            settings = {**self.negatives, **order, "columns": self.columns}
            return with_negatives(rows, batch_size, **settings)
        if self.lists is not None:
            return lists(rows, batch_size, columns=self.columns, **self.lists, **order)
        return batches(rows, batch_size, columns=self.columns, **order)


def batching_of(
    read: Iterable[str],
    labels: Iterable[str],
    weights: Iterable[str],
    lists: Mapping[str, Any] | None,
    negatives: Mapping[str, Any] | None,
) -> Batching:
    """Says how rows become batches.

    Args:
        read: The columns that a network reads.
        labels: Those of labels.
        weights: Those of weights.
        lists: Arguments of `rankkit.data.lists`, or `None`.
        negatives: Arguments of `rankkit.data.with_negatives`, or `None`.

    Raises:
        ValueError: If there are both lists and negatives, or the item is not named.
    """
    columns = dict.fromkeys([*read, *labels, *weights])
    if negatives is None:
        if lists is None:
            return Batching(list(columns), None, None, 1024, 8192)
        lists = {"query": "user_id", **lists}
        columns |= {lists["query"]: None}
        return Batching(list(columns), lists, None, 32, 256)
    if lists is not None:
        fix = "For lists of a click and its negatives, negatives={'lists': True, ...}."
        raise invalid("lists", dict(lists), "None beside negatives", fix)
    negatives = {"query": "user_id", "label": "click", **negatives}
    if "item" not in negatives:
        raise missing("argument of negatives", "item", ["item"], negatives)
    columns.pop(negatives["label"], None)  # which is made
    columns |= dict.fromkeys([negatives["query"], negatives["item"]])
    return Batching(list(columns), None, negatives, 256, 2048)
