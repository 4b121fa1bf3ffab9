"""Metrics as patterns: what it takes to make as many of the same kind as there are trials."""

from typing import Any

import tensorflow as tf


class MetricTemplate:
    """Makes metrics like a given one; what each adds up is no other's. It can be pickled.

    Args:
        metric: A Keras metric.
    """

    def __init__(self, metric: tf.keras.metrics.Metric):
        self.kind, self.config = type(metric), metric.get_config()
        self.make()  # while it can be told which does not

    def get_config(self) -> list[Any]:
        """The class and the config of the metrics."""
        return [self.kind, self.config]

    def make(self) -> tf.keras.metrics.Metric:
        return self.kind.from_config(dict(self.config))


def as_templates(metrics: Any) -> Any:
    """Puts patterns in the place of metrics, in lists and dicts of them; names stay names."""
    is_metric = tf.keras.metrics.Metric
    return tf.nest.map_structure(
        lambda each: MetricTemplate(each) if isinstance(each, is_metric) else each, metrics
    )


def made(patterns: Any) -> Any:
    """Makes the metrics of patterns."""
    return tf.nest.map_structure(
        lambda each: each.make() if isinstance(each, MetricTemplate) else each, patterns
    )
