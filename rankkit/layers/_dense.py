"""Dense layers in mixed precision, and their activations."""

import functools
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import has_servers


def make_dense(
    units: int, dtype: Any, activation: Any = None, **kwargs: Any
) -> tf.keras.layers.Dense:
    """Makes a dense layer of a dtype or policy."""
    kwargs["activation"] = get_activation(activation)
    policy = getattr(dtype, "name", dtype)
    if not policy.startswith("mixed_"):
        return tf.keras.layers.Dense(units, dtype=dtype, **kwargs)
    if has_servers(tf.distribute.get_strategy()):
        fix = "TensorFlow cannot shard weights that it casts."
        raise invalid("dtype", policy, "'float32' with a ParameterServerStrategy", fix)
    return Dense(units, dtype=dtype, **kwargs)


class Dense(tf.keras.layers.Dense):  # .keras files name weights by the name of the class
    """Adds the bias in full precision: its gradient is a sum over the batch.

    TensorFlow computes that sum in bfloat16 on a CPU: it stops growing at 256 times an addend.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        product = tf.cast(tf.matmul(inputs, self.kernel), self.variable_dtype)
        outputs = self.activation(product + tf.cast(self.bias, self.variable_dtype))
        return tf.cast(outputs, self.compute_dtype)


def get_activation(activation: Any) -> Any:
    """Returns the function of an activation, for layers whose config has the activation itself."""
    function = tf.keras.activations.get(activation)
    return _swish if function in (tf.keras.activations.swish, tf.nn.silu) else function


@functools.wraps(tf.keras.activations.swish)
def _swish(x: tf.Tensor) -> tf.Tensor:
    # Its gradient is a `tf.custom_gradient`: TensorFlow keeps each graph that has one forever.
    if tf.executing_eagerly():
        return tf.nn.silu(x)
    return tf.ensure_shape(_make_swish_graph(x.dtype)(x), x.shape)


@functools.cache
def _make_swish_graph(dtype: tf.DType) -> Any:
    return tf.function(tf.nn.silu, input_signature=[tf.TensorSpec(None, dtype)], autograph=False)
