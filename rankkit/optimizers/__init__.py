"""Optimizers that Keras has not."""

from rankkit.optimizers.lazy_adam import LazyAdam

__all__ = ["LazyAdam"]
