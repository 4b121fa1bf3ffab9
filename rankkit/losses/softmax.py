"""The cross entropy of two distributions over a list."""

from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._lists import checked_labels
from rankkit.losses.list_loss import ListLoss


@tf.keras.utils.register_keras_serializable(package="rankkit")
class SoftmaxLoss(ListLoss):
    """The cross entropy of how a list's labels share it and of the softmax of its scores.

    Each share is the chance of an item to come first. An item's weight multiplies its term. By
    default an item's share is its label over the sum of the labels: the clicked item has all of
    it. With a temperature it is the softmax of `label / temperature`: ListNet.

    Args:
        temperature: Of the labels, above 0: the lower, the more of the list the best items have.
            Defaults to `None`, shares of the labels themselves.
        name: Name of the loss. Defaults to `"softmax_loss"`.

    Raises:
        ValueError: If the temperature is not above 0.
        tf.errors.InvalidArgumentError: If the loss is called with negative labels, without a
            temperature.

    References:
        Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007.
        Bruch et al., An analysis of the softmax cross entropy loss for learning-to-rank with
        binary relevance, ICTIR 2019.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.SoftmaxLoss()
        >>> loss([[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]).numpy().round(4)
        array([1.0986], dtype=float32)
    """

    def __init__(self, temperature: float | None = None, name: str = "softmax_loss"):
        super().__init__(name)
        if temperature is not None and not 0 < temperature < float("inf"):
            raise invalid("temperature", temperature, "above 0, or None for shares of the labels")
        self.temperature = None if temperature is None else float(temperature)

    def of_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        wanted = self._shares(labels, mask)
        # A score so low would give 0 times infinity.
        logs = scores - tf.reduce_logsumexp(
            tf.where(mask, scores, scores.dtype.min), axis=1, keepdims=True
        )
        return -tf.reduce_sum(weights * wanted * logs, axis=1)

    def _shares(self, labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        if self.temperature is not None:
            return tf.nn.softmax(tf.where(mask, labels / self.temperature, labels.dtype.min))
        expected = "at least 0 for shares of them"
        labels = checked_labels(labels, labels >= 0.0, expected, "Name a temperature.")
        return tf.math.divide_no_nan(labels, tf.reduce_sum(labels, axis=1, keepdims=True))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
