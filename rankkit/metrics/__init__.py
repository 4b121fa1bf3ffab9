"""Metrics of the order of lists, for training logs: as `rankkit.evaluate_ranking` defines them."""

from rankkit.metrics.list_metric import ListMetric
from rankkit.metrics.mean_average_precision import MeanAveragePrecision
from rankkit.metrics.mean_reciprocal_rank import MeanReciprocalRank
from rankkit.metrics.ndcg import NDCG
from rankkit.metrics.precision_at_k import PrecisionAtK
from rankkit.metrics.recall_at_k import RecallAtK

__all__ = [
    "NDCG",
    "ListMetric",
    "MeanAveragePrecision",
    "MeanReciprocalRank",
    "PrecisionAtK",
    "RecallAtK",
]
