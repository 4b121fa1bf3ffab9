"""Hyperparameter search with keras-tuner."""

from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.search import SearchResult, search

__all__ = ["RankingHyperModel", "SearchResult", "search"]
