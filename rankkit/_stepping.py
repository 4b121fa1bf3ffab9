"""A training step and one of evaluation."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._gradients import dense_up_to, takes_either
from rankkit._weight_bytes import check_training


class Stepping(tfrs.models.Model):
    """A TFRS model whose steps are right on any number of replicas."""

    def _most_dense_rows(self) -> float | None:
        """Up to how many rows a table is updated whole; `None` where that is left open."""
        return None

    def build_optimizer(self) -> None:
        """Makes the optimizer's variables ahead of the first step, where it can."""
        with self.distribute_strategy.scope():
            check_training(self.trainable_variables, self.optimizer)
        if hasattr(self.optimizer, "build"):  # legacy optimizers have none
            self.optimizer.build(self.trainable_variables)

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
            # Each replica adds its share, so that the sum over replicas counts it once.
            loss += tf.nn.scale_regularization_loss(self.losses)
        weights, most = self.trainable_variables, self._most_dense_rows()
        if most is not None and takes_either(self.optimizer):
            gradients = dense_up_to(most, tape.gradient(loss, weights), weights, self.optimizer)
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        else:
            self.optimizer.minimize(loss, weights, tape=tape)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        self.compute_loss(inputs, training=False)
        return {metric.name: metric.result() for metric in self.metrics}
