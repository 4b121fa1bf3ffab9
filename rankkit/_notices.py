"""What the rows of an epoch taught nothing, so that it can be told."""

import warnings

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._lists import has_order


class Notices:
    """Counts what of the data teaches a head nothing.

    Args:
        head: Name of the head, `None` for the only one.
    """

    def __init__(self, head: str | None):
        self._of = "" if head is None else f" for head {head!r}"
        names = ("rows", "labelled", "lists", "idle", "weighted", "weight")
        self._sums = {name: tf.keras.metrics.Sum(name) for name in names}
        self._counted: set[str] = set()  # by what was traced; reading all of them takes a while
        self._told: set[str] = set()

    def count_rows(self, rows: tf.Tensor, labelled: tf.Tensor) -> None:
        """Counts the rows or lists of a batch, and those that have a label."""
        self._add("rows", rows)
        self._add("labelled", labelled)

    def count_lists(self, labels: tf.Tensor) -> None:
        """Counts the lists, `(lists, items)`, that have no order."""
        self._add("lists", tf.shape(labels)[0])
        self._add("idle", tf.reduce_sum(tf.cast(~has_order(labels), tf.float32)))

    def count_weights(self, weights: tf.Tensor) -> None:
        """Adds up weights."""
        self._add("weighted", tf.size(weights))
        self._add("weight", tf.reduce_sum(weights))

    def _add(self, name: str, number: tf.Tensor) -> None:
        self._counted.add(name)
        self._sums[name].update_state(tf.cast(number, tf.float32))

    def take(self) -> dict[str, float]:
        """Gives what has been counted, and begins anew."""
        counted = dict.fromkeys(self._sums, 0.0)
        for name in self._counted:
            counted[name] = float(self._sums[name].result())
            self._sums[name].reset_state()
        return counted

    def tell(self, counted: dict[str, float]) -> None:
        """Says what has been counted, each kind once.

        Args:
            counted: From `take`.

        Raises:
            ValueError: If all weights were 0.
        """
        if counted["weighted"] and not counted["weight"]:
            fix = "Nothing can be learned of such rows: take another column, or none."
            expected = f"above 0 for some of the rows{self._of}"
            raise invalid("sample_weight", "0 for each of them", expected, fix)
        if counted["rows"] and not counted["labelled"]:
            self._warn(f"No row had a label{self._of}: its loss and metrics say nothing.")
        if counted["idle"]:
            self._warn(
                f"Lists of one item, or of equal labels alone, teach a loss nothing{self._of}. "
                f"Such were {counted['idle']:,.0f} of {counted['lists']:,.0f}."
            )

    def _warn(self, text: str) -> None:
        kind = text.split()[0]
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(text, stacklevel=5)
