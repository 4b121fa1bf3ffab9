"""Data sets, readers, splits, batches and negative sampling."""

import importlib
from typing import TYPE_CHECKING, Any

from rankkit.data.batches import batches
from rankkit.data.collect import collect
from rankkit.data.datasets.movielens import movielens
from rankkit.data.datasets.synthetic import synthetic_ratings
from rankkit.data.groups import group_ids, group_sizes
from rankkit.data.histories import InteractionLog
from rankkit.data.lists import lists
from rankkit.data.negatives import with_candidates, with_negatives
from rankkit.data.out_of_fold import out_of_fold
from rankkit.data.sequences import sequences
from rankkit.data.splits import cold_start_split, k_fold, leave_last_out, random_split, time_split
from rankkit.data.stack import stack_columns
from rankkit.data.vocabulary import vocabularies, vocabulary

if TYPE_CHECKING:
    from rankkit.data.readers.csv import read_csv
    from rankkit.data.readers.parquet import read_parquet
    from rankkit.data.readers.svmlight import read_svmlight

__all__ = [
    "InteractionLog",
    "batches",
    "cold_start_split",
    "collect",
    "group_ids",
    "group_sizes",
    "k_fold",
    "leave_last_out",
    "lists",
    "movielens",
    "out_of_fold",
    "random_split",
    "read_csv",
    "read_parquet",
    "read_svmlight",
    "sequences",
    "stack_columns",
    "synthetic_ratings",
    "time_split",
    "vocabularies",
    "vocabulary",
    "with_candidates",
    "with_negatives",
]


def __getattr__(name: str) -> Any:
    # The readers import pyarrow, which takes time and which not every process needs.
    readers = {"read_csv": "csv", "read_parquet": "parquet", "read_svmlight": "svmlight"}
    if name in readers:
        return getattr(importlib.import_module(f"rankkit.data.readers.{readers[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
