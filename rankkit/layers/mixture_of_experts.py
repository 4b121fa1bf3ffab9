"""A vector for each of several heads, mixed from shared experts."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit._errors import check_integer
from rankkit.layers._experts import Experts, Gate, VectorOfEachHead


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MixtureOfExperts(VectorOfEachHead):
    """Gives each head its own mixture of experts that all heads share: MMoE.

    Experts are small towers over the joined vector; the shares of a head's mixture are a softmax
    of the same vector.

    Args:
        heads: Names of the heads.
        num_experts: How many experts. Defaults to `4`.
        units: Widths of the layers of an expert. Defaults to `(128,)`.
        activation: Of each layer. Defaults to `"relu"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, width)`, or a list of such vectors, as an interaction takes them.

    Output shape:
        A dict of one vector a head, `(batch, units[-1])`.

    Raises:
        ValueError: If there is no head, or a number is below 1.

    References:
        Ma et al., Modeling task relationships in multi-task learning with multi-gate
        mixture-of-experts, KDD 2018.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.MixtureOfExperts(["rating", "click"], units=[8])
        >>> {name: vector.shape for name, vector in layer(tf.zeros((2, 4))).items()}
        {'rating': TensorShape([2, 8]), 'click': TensorShape([2, 8])}
    """

    def __init__(
        self,
        heads: Sequence[str],
        *,
        num_experts: int = 4,
        units: Sequence[int] = (128,),
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(heads, units, activation, **kwargs)
        check_integer("num_experts", num_experts)
        self.num_experts = int(num_experts)
        self._experts = Experts(self.num_experts, self.units, activation, name="experts")
        self._gates = {name: Gate(self.num_experts, name=f"{name}_gate") for name in self.heads}

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        experts = self._experts(inputs)
        return {name: gate((inputs, experts)) for name, gate in self._gates.items()}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "num_experts": self.num_experts}
