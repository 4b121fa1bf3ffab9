"""Small towers side by side, the gates that mix them, and what their layers have in common."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit._errors import check_integer, invalid


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
