"""Optimizers in addition to those of Keras."""

from rankkit.optimizers.lazy_adam import LazyAdam

__all__ = ["LazyAdam"]
