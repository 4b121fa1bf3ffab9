"""Mixtures of experts for multi-task networks: MMoE and PLE."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.layers._dense import get_activation, make_dense
from rankkit.utils.errors import check_integer, check_sequence, check_text, check_units, invalid

_SHARED = "_shared"  # names the shared experts, beside the names of the heads


class Experts(tf.keras.layers.Layer):
    """Stacks of dense layers that read the same vector and are computed in one product."""

    def __init__(self, num_experts: int, units: Sequence[int], activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_experts = num_experts
        self.units = tuple(units)
        self._activation = get_activation(activation)

    def build(self, input_shape: Any) -> None:
        self._kernels, self._biases = [], []
        fan_in = tf.TensorShape(input_shape)[-1]
        for index, units in enumerate(self.units):
            # Glorot's scale of one dense layer: the axis of the experts is not part of the fan.
            scale = (6.0 / (fan_in + units)) ** 0.5
            initializer = tf.keras.initializers.RandomUniform(-scale, scale)
            shape = (self.num_experts, fan_in, units)
            kernel = self.add_weight(f"kernel_{index}", shape, initializer=initializer)
            self._kernels.append(kernel)
            shape = (self.num_experts, 1, units)
            self._biases.append(self.add_weight(f"bias_{index}", shape, initializer="zeros"))
            fan_in = units
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = tf.tile(inputs[tf.newaxis], [self.num_experts, 1, 1])
        for kernel, bias in zip(self._kernels, self._biases, strict=True):
            # The bias in full precision, or its gradient would be summed in half precision.
            product = tf.cast(tf.matmul(x, kernel), self.variable_dtype)
            outputs = self._activation(product + tf.cast(bias, self.variable_dtype))
            x = tf.cast(outputs, self.compute_dtype)
        return x  # (experts, batch, units)


class Gate(tf.keras.layers.Layer):
    """A weighted sum of the outputs of experts; the weights are a softmax of a vector."""

    def __init__(self, num_experts: int, **kwargs: Any):
        super().__init__(**kwargs)
        self._shares = make_dense(
            num_experts, self.dtype_policy, activation="softmax", name="shares"
        )

    def call(self, inputs: Any) -> tf.Tensor:
        vector, experts = inputs  # (batch, dim), (experts, batch, units)
        shares = tf.transpose(self._shares(vector))[:, :, tf.newaxis]  # (experts, batch, 1)
        return tf.reduce_sum(shares * experts, axis=0)  # (batch, units)


class MultiTaskLayer(ArgumentsLayer):
    """A layer that turns one vector into a dict with a vector for each head."""

    _casts_input = True

    def __init__(self, heads: Sequence[str], units: Sequence[int], activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        expected = "a list of at least one name, without duplicates"
        names = check_sequence("heads", heads, expected)
        for name in names:
            check_text("heads", name, "names of type str")
        if not names or len(set(names)) < len(names):
            raise invalid("heads", heads, expected)
        if _SHARED in names:
            raise invalid("heads", heads, f"names other than {_SHARED!r}")
        self.heads = names
        self.units = check_units("units", units)
        if not self.units:
            raise invalid("units", units, "a list of at least one number of units")
        self.activation = activation

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inputs, list):  # the vectors of the features, as interactions get them
            joined = tf.keras.layers.Concatenate(
                name=f"{self.name}_vectors", dtype=self.dtype_policy
            )
            inputs = joined(inputs) if len(inputs) > 1 else inputs[0]
        return super().__call__(inputs, *args, **kwargs)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MultiGateMixtureOfExperts(MultiTaskLayer):
    """Gives each head its own mixture of experts that all heads share (MMoE).

    Each expert is a stack of dense layers that reads the joined vectors of the features. The
    vector of a head is a weighted sum of the experts' outputs; the weights are the softmax of a
    linear layer of its own, the head's gate. Use it if the heads' objectives are related, but too
    different to share all layers. `rankkit.models.mmoe` builds a network with it.

    Args:
        heads: Names of the heads.
        num_experts: Number of experts. Defaults to `4`.
        units: Number of units of each layer of an expert. Defaults to `(128,)`.
        activation: Activation of the experts' layers. Defaults to `"relu"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, dim)`, or a list of such vectors, which are concatenated.

    Output shape:
        A dict from each head to its vector, `(batch, units[-1])`.

    Raises:
        ValueError: If there is no head or no layer, a head is duplicated, or a number is below 1.
        TypeError: If `units` is not a sequence.

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
        self.num_experts = check_integer("num_experts", num_experts)
        policy = self.dtype_policy
        self._experts = Experts(
            self.num_experts, self.units, activation, name="experts", dtype=policy
        )
        self._gates = {
            name: Gate(self.num_experts, name=f"{name}_gate", dtype=policy) for name in self.heads
        }

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        experts = self._experts(inputs)
        return {name: gate((inputs, experts)) for name, gate in self._gates.items()}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ProgressiveExtraction(MultiTaskLayer):
    """Gives each head a mixture of its own experts and of shared ones, level by level (PLE).

    At each level the gate of a head mixes the experts of that head and the shared experts. At all
    levels but the last, a further gate mixes all experts into the input of the next level's shared
    experts. Compared with `rankkit.layers.MultiGateMixtureOfExperts`, experts that belong to one
    head keep conflicting objectives from degrading each other. `rankkit.models.ple` uses it.

    Args:
        heads: Names of the heads.
        num_levels: Number of levels. Defaults to `1`.
        num_own: Number of experts of each head at each level. Defaults to `2`.
        num_shared: Number of shared experts at each level. Defaults to `2`.
        units: Number of units of each layer of an expert. Defaults to `(128,)`.
        activation: Activation of the experts' layers. Defaults to `"relu"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, dim)`, or a list of such vectors, which are concatenated.

    Output shape:
        A dict from each head to its vector, `(batch, units[-1])`.

    Raises:
        ValueError: If there is no head or no layer, a head is duplicated, or a number is below 1.
        TypeError: If `units` is not a sequence.

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
        self.num_levels = num_levels = check_integer("num_levels", num_levels)
        self.num_own = num_own = check_integer("num_own", num_own)
        self.num_shared = num_shared = check_integer("num_shared", num_shared)
        policy = self.dtype_policy
        created = {**dict.fromkeys(self.heads, num_own), _SHARED: num_shared}
        mixed = {**dict.fromkeys(self.heads, num_own + num_shared), _SHARED: sum(created.values())}
        self._experts = {
            f"{name}_{level}": Experts(
                count, self.units, activation, name=f"{name}_experts_{level}", dtype=policy
            )
            for level in range(num_levels)
            for name, count in created.items()
        }
        self._gates = {
            f"{name}_{level}": Gate(count, name=f"{name}_gate_{level}", dtype=policy)
            for level in range(num_levels)
            for name, count in mixed.items()
            if name != _SHARED or level < num_levels - 1
        }

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        names = [*self.heads, _SHARED]
        vectors = dict.fromkeys(names, inputs)
        for level in range(self.num_levels):
            experts = {name: self._experts[f"{name}_{level}"](vectors[name]) for name in names}
            gated = {}
            for name in names:
                gate = self._gates.get(f"{name}_{level}")
                if gate is not None:
                    mixed = names if name == _SHARED else [name, _SHARED]
                    outputs = tf.concat([experts[each] for each in mixed], axis=0)
                    gated[name] = gate((vectors[name], outputs))
            vectors = gated
        return {name: vectors[name] for name in self.heads}
