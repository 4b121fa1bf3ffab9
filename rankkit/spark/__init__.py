"""Batch scoring and ranking with Apache Spark."""

from rankkit.spark.score import score
from rankkit.spark.top_k import top_k

__all__ = ["score", "top_k"]
