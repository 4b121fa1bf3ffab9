"""The hinge loss of pairs."""

from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit.losses.pairwise import PairwiseLoss


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseHingeLoss(PairwiseLoss):
    """`max(0, margin - d)` of the difference `d` of each pair's scores, as in a ranking SVM.

    Args:
        margin: By how much the higher label is to score higher, above 0. Defaults to `1.0`.
        name: Name of the loss. Defaults to `"pairwise_hinge_loss"`.

    Raises:
        ValueError: If the margin is not above 0.

    References:
        Joachims, Optimizing search engines using clickthrough data, KDD 2002.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.PairwiseHingeLoss()
        >>> loss([[1.0, 0.0]], [[0.75, 0.5]]).numpy()
        array([0.75], dtype=float32)
    """

    def __init__(self, margin: float = 1.0, name: str = "pairwise_hinge_loss"):
        super().__init__(name)
        if not margin > 0:
            raise invalid("margin", margin, "above 0")
        self.margin = float(margin)

    def of_pairs(self, differences: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.margin - differences)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}
