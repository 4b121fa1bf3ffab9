"""Mixtures of experts for several heads: MMoE and PLE."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import check_integer, invalid


class Experts(tf.keras.layers.Layer):
    """Towers of dense layers over the same vector, computed together.

    Args:
        count: How many.
        units: Widths of the layers of each.
        activation: Of each layer.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.
    """

    def __init__(self, count: int, units: Sequence[int], activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.count = count
        self.units = tuple(units)
        self._activation = tf.keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        widths = (tf.TensorShape(input_shape)[-1], *self.units)
        self._kernels, self._biases = [], []
        for place, (width, units) in enumerate(zip(widths, self.units, strict=False)):
            # As of one dense layer: the axis of the experts is no part of the fan.
            scale = (6.0 / (width + units)) ** 0.5
            initializer = tf.keras.initializers.RandomUniform(-scale, scale)
            shape = (self.count, width, units)
            kernel = self.add_weight(f"kernel_{place}", shape, initializer=initializer)
            self._kernels.append(kernel)
            bias = self.add_weight(f"bias_{place}", (self.count, 1, units), initializer="zeros")
            self._biases.append(bias)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Gives what the experts make of vectors, `(experts, batch, units)`."""
        x = tf.tile(inputs[tf.newaxis], [self.count, 1, 1])
        for kernel, bias in zip(self._kernels, self._biases, strict=True):
            x = self._activation(tf.matmul(x, kernel) + bias)
        return x


class Gate(tf.keras.layers.Layer):
    """Mixes experts, by shares that depend on a vector.

    Args:
        count: How many experts.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.
    """

    def __init__(self, count: int, **kwargs: Any):
        super().__init__(**kwargs)
        self._shares = tf.keras.layers.Dense(count, activation="softmax", name="shares")

    def call(self, inputs: Any) -> tf.Tensor:
        """Mixes `(experts, batch, units)` by a vector `(batch, width)` to `(batch, units)`."""
        vector, experts = inputs
        shares = tf.transpose(self._shares(vector))[:, :, tf.newaxis]  # (experts, batch, 1)
        return tf.reduce_sum(shares * experts, axis=0)


class VectorOfEachHead(tf.keras.layers.Layer):
    """A layer from one vector to a dict with one for each head.

    Args:
        heads: Names of the heads.
        units: Widths of the layers of an expert, the last that of the vectors.
        activation: Of each layer.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Raises:
        ValueError: If there is no head, one comes twice, or a width is below 1.
    """

    def __init__(self, heads: Sequence[str], units: Sequence[int], activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        if isinstance(heads, str) or not heads or len(set(heads)) < len(heads):
            raise invalid("heads", heads, "a list of names, each once")
        if isinstance(units, int) or not units:
            raise invalid("units", units, "a list of widths, at least one")
        for each in units:
            check_integer("units", each)
        if "_shared" in heads:  # as the experts of all heads are called
            raise invalid("heads", heads, "names other than '_shared'")
        self.heads = list(heads)
        self.units = tuple(int(each) for each in units)
        self.activation = activation

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, list):  # as interactions take vectors
            joined = tf.keras.layers.Concatenate(name=f"{self.name}_vectors")
            inputs = joined(inputs) if len(inputs) > 1 else inputs[0]
        return super().__call__(inputs, *args, **kwargs)

    def compute_output_shape(self, input_shape: Any) -> dict[str, tf.TensorShape]:
        shape = tf.TensorShape(input_shape)[:-1].concatenate(self.units[-1])
        return dict.fromkeys(self.heads, shape)

    def get_config(self) -> dict[str, Any]:
        more = {"heads": list(self.heads), "units": self.units, "activation": self.activation}
        return {**super().get_config(), **more}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MultiGateMixtureOfExperts(VectorOfEachHead):
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
        >>> layer = rk.layers.MultiGateMixtureOfExperts(["rating", "click"], units=[8])
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
