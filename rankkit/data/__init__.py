"""Where rows come from, and how they are split and batched."""

from rankkit.data.batches import batches
from rankkit.data.movielens import movielens
from rankkit.data.splits import random_split
from rankkit.data.synthetic import synthetic_ratings
from rankkit.data.vocabulary import vocabulary

__all__ = ["batches", "movielens", "random_split", "synthetic_ratings", "vocabulary"]
