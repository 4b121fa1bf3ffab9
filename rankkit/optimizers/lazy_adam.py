"""Lazy Adam: updates only the embedding rows that a batch has looked up."""

from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class LazyAdam(tf.keras.optimizers.Adam):
    """Adam that updates those rows of a table alone that the batch has looked up.

    Keras's Adam lets the moments of all rows decay at each step, and moves all of them: with a
    hundred thousand ids and more, that is most of the time. Here a row's moments stay as they were
    until it is seen again, so that a step costs the same for ten thousand ids as for ten million.
    Weights that are no tables are updated as by Adam. The steps are those of Adam for rows that
    are in each batch, and others for rare ones; the memory is the same, three numbers a weight.

    Args:
        learning_rate: As of `tf.keras.optimizers.Adam`. Defaults to `0.001`.
        beta_1: Decay of the first moment. Defaults to `0.9`.
        beta_2: Decay of the second moment. Defaults to `0.999`.
        epsilon: Added to the root of the second moment. Defaults to `1e-7`.
        name: Name of the optimizer. Defaults to `"lazy_adam"`.
        **kwargs: Further arguments of `tf.keras.optimizers.Adam`, other than `amsgrad`.

    Raises:
        ValueError: If `amsgrad` is set, or a weight decay, which would touch all rows.

    References:
        Kingma and Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1.

    Example:
        >>> import rankkit as rk
        >>> optimizer = rk.optimizers.LazyAdam(0.01)
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "lazy_adam",
        **kwargs: Any,
    ):
        for setting in ("amsgrad", "weight_decay", "use_ema"):
            if kwargs.get(setting):
                fix = "It reads all rows at each step: use tf.keras.optimizers.Adam with it."
                raise invalid(setting, kwargs[setting], "left out", fix)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **kwargs)

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates a weight.

        Args:
            gradient: Dense, or `tf.IndexedSlices` of distinct rows.
            variable: The weight.
        """
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        rows, values = gradient.indices, gradient.values
        dtype = variable.dtype.base_dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        unbias = tf.sqrt(1.0 - tf.pow(beta_2, step)) / (1.0 - tf.pow(beta_1, step))
        place = self._index_dict[self._var_key(variable)]
        means, squares = self._momentums[place], self._velocities[place]
        mean = beta_1 * tf.gather(means, rows) + (1.0 - beta_1) * values
        square = beta_2 * tf.gather(squares, rows) + (1.0 - beta_2) * tf.square(values)
        means.scatter_update(tf.IndexedSlices(mean, rows))
        squares.scatter_update(tf.IndexedSlices(square, rows))
        rate = tf.cast(self.learning_rate, dtype) * unbias
        moved = rate * mean / (tf.sqrt(square) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(moved, rows))
