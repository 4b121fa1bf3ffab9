"""Where rows come from, and how they are split and batched."""

from rankkit.data.batches import batches
from rankkit.data.movielens import movielens
from rankkit.data.splits import k_fold, leave_last_out, random_split, time_split, unseen_split
from rankkit.data.synthetic import synthetic_ratings
from rankkit.data.vocabulary import vocabulary

__all__ = [
    "batches",
    "k_fold",
    "leave_last_out",
    "movielens",
    "random_split",
    "synthetic_ratings",
    "time_split",
    "unseen_split",
    "vocabulary",
]
