"""Scores a whole population through Apache Spark, on this machine or on a cluster."""

from rankkit.spark.score import score
from rankkit.spark.top_k import top_k

__all__ = ["score", "top_k"]
