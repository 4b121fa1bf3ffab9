"""Where rows come from, and how they are split and batched."""

from rankkit.data.batches import batches
from rankkit.data.lists import lists
from rankkit.data.movielens import movielens
from rankkit.data.read_csv import read_csv
from rankkit.data.read_parquet import read_parquet
from rankkit.data.splits import k_fold, leave_last_out, random_split, time_split, unseen_split
from rankkit.data.synthetic import synthetic_ratings
from rankkit.data.vocabularies import vocabularies
from rankkit.data.vocabulary import vocabulary
from rankkit.data.with_candidates import with_candidates
from rankkit.data.with_negatives import with_negatives

__all__ = [
    "batches",
    "k_fold",
    "leave_last_out",
    "lists",
    "movielens",
    "random_split",
    "read_csv",
    "read_parquet",
    "synthetic_ratings",
    "time_split",
    "unseen_split",
    "vocabularies",
    "vocabulary",
    "with_candidates",
    "with_negatives",
]
