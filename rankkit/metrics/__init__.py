"""Ranking metrics over lists, for training logs; defined as in `rankkit.evaluate_ranking`."""

from rankkit.metrics.at_k import PrecisionAtK, RecallAtK
from rankkit.metrics.average_precision import MeanAveragePrecision, MeanReciprocalRank
from rankkit.metrics.base import ListMetric
from rankkit.metrics.ndcg import NDCG

__all__ = [
    "NDCG",
    "ListMetric",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "PrecisionAtK",
    "RecallAtK",
]
