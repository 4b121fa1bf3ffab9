"""A vector for each of several heads, from experts of its own and shared ones."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit._errors import check_integer
from rankkit.layers._experts import Experts, Gate, VectorOfEachHead

_SHARED = "_shared"  # no head's name


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ProgressiveExtraction(VectorOfEachHead):
    """Gives each head a mixture of experts of its own and of shared ones, level by level: PLE.

    The shared experts of a level but the last are mixed, with those of all heads, for the shared
    experts of the next.

    Args:
        heads: Names of the heads.
        num_levels: How many levels. Defaults to `1`.
        num_own: Experts of each head, a level. Defaults to `2`.
        num_shared: Shared experts, a level. Defaults to `2`.
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
        Tang et al., Progressive layered extraction: a novel multi-task learning model for
        personalized recommendations, RecSys 2020.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.ProgressiveExtraction(["rating", "click"], num_levels=2, units=[8])
        >>> {name: vector.shape for name, vector in layer(tf.zeros((2, 4))).items()}
        {'rating': TensorShape([2, 8]), 'click': TensorShape([2, 8])}
    """

    def __init__(
        self,
        heads: Sequence[str],
        *,
        num_levels: int = 1,
        num_own: int = 2,
        num_shared: int = 2,
        units: Sequence[int] = (128,),
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(heads, units, activation, **kwargs)
        numbers = {"num_levels": num_levels, "num_own": num_own, "num_shared": num_shared}
        for name, number in numbers.items():
            check_integer(name, number)
        self.numbers = {name: int(number) for name, number in numbers.items()}
        counts = {**dict.fromkeys(self.heads, num_own), _SHARED: num_shared}
        mixed = {**dict.fromkeys(self.heads, num_own + num_shared), _SHARED: sum(counts.values())}
        self._experts = {
            f"{name}_{level}": Experts(
                count, self.units, activation, name=f"{name}_experts_{level}"
            )
            for level in range(num_levels)
            for name, count in counts.items()
        }
        self._gates = {
            f"{name}_{level}": Gate(count, name=f"{name}_gate_{level}")
            for level in range(num_levels)
            for name, count in mixed.items()
            if name != _SHARED or level < num_levels - 1
        }

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        names = [*self.heads, _SHARED]
        vectors = dict.fromkeys(names, inputs)
        for level in range(self.numbers["num_levels"]):
            made = {name: self._experts[f"{name}_{level}"](vectors[name]) for name in names}
            vectors = {
                name: self._gates[f"{name}_{level}"](
                    (vectors[name], tf.concat(_met_by(name, made), axis=0))
                )
                for name in names
                if f"{name}_{level}" in self._gates
            }
        return {name: vectors[name] for name in self.heads}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **dict(self.numbers)}


def _met_by(name: str, made: dict[str, tf.Tensor]) -> list[tf.Tensor]:
    """The experts that a gate mixes: a head's own and the shared, or all for the shared."""
    return list(made.values()) if name == _SHARED else [made[name], made[_SHARED]]
