"""The logistic loss of pairs."""

import tensorflow as tf

from rankkit.losses.pairwise import PairwiseLoss


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseLogisticLoss(PairwiseLoss):
    """`log(1 + exp(-d))` of the difference `d` of each pair's scores, as in RankNet.

    Args:
        name: Name of the loss. Defaults to `"pairwise_logistic_loss"`.

    References:
        Burges et al., Learning to rank using gradient descent, ICML 2005.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.PairwiseLogisticLoss()
        >>> loss([[1.0, 0.0]], [[0.5, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)
    """

    def __init__(self, name: str = "pairwise_logistic_loss"):
        super().__init__(name)

    def of_pairs(self, differences: tf.Tensor) -> tf.Tensor:
        return tf.math.softplus(-differences)
