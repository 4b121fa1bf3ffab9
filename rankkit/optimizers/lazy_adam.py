"""Lazy Adam: updates only the embedding rows that a batch has looked up."""

from typing import Any

import tensorflow as tf

from rankkit.utils.errors import check_number, invalid
from rankkit.utils.keras import moments_of


@tf.keras.utils.register_keras_serializable(package="rankkit")
class LazyAdam(tf.keras.optimizers.Adam):
    """Adam with sparse updates: only the embedding rows in the batch and their moments change.

    Keras's Adam decays the moments of all rows of an embedding table, and updates all rows, at
    each step, which takes most of the time with a hundred thousand ids or more. Lazy Adam leaves
    the moments of a row unchanged until the row is looked up again, so that the cost of a step
    depends on the batch and not on the vocabulary. Weights with dense gradients are updated as in
    Adam. For rows that occur in each batch the updates equal those of Adam; for rare rows they
    differ. The memory is the same: three numbers for each weight.

    Args:
        learning_rate: As in `tf.keras.optimizers.Adam`. Defaults to `0.001`.
        beta_1: Decay rate of the first moment. Defaults to `0.9`.
        beta_2: Decay rate of the second moment. Defaults to `0.999`.
        epsilon: Added to the square root of the second moment. Defaults to `1e-7`.
        name: Name of the optimizer. Defaults to `"lazy_adam"`.
        **kwargs: Further arguments of Adam, except `amsgrad`, `weight_decay` and `use_ema`.

    Raises:
        ValueError: If a number is out of range, or if `amsgrad`, `weight_decay` or `use_ema` is
            set, which update all rows.

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
                expected = "left out of LazyAdam, as it updates all rows at each step"
                raise invalid(setting, kwargs[setting], expected, "Use tf.keras.optimizers.Adam.")
        if not isinstance(learning_rate, tf.keras.optimizers.schedules.LearningRateSchedule):
            expected = "a number of at least 0, or a schedule of Keras"
            learning_rate = check_number("learning_rate", learning_rate, expected, least=0)
        beta_1 = check_number("beta_1", beta_1, "a number in [0, 1)", least=0, below=1)
        beta_2 = check_number("beta_2", beta_2, "a number in [0, 1)", least=0, below=1)
        epsilon = check_number("epsilon", epsilon, "a number above 0", above=0)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **kwargs)

    def update_step(self, gradient: Any, variable: tf.Variable) -> None:
        """Updates a weight by its gradient, dense or `tf.IndexedSlices` with unique indices."""
        if not isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable)
            return
        rows, values = gradient.indices, gradient.values
        dtype = variable.dtype.base_dtype
        step = tf.cast(self.iterations + 1, dtype)
        beta_1, beta_2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        bias_correction = tf.sqrt(1.0 - tf.pow(beta_2, step)) / (1.0 - tf.pow(beta_1, step))
        means, squares = moments_of(self, variable)
        mean = beta_1 * tf.gather(means, rows) + (1.0 - beta_1) * values
        square = beta_2 * tf.gather(squares, rows) + (1.0 - beta_2) * tf.square(values)
        means.scatter_update(tf.IndexedSlices(mean, rows))
        squares.scatter_update(tf.IndexedSlices(square, rows))
        rate = tf.cast(self.learning_rate, dtype) * bias_correction
        update = rate * mean / (tf.sqrt(square) + self.epsilon)
        variable.scatter_sub(tf.IndexedSlices(update, rows))
