"""keras-tuner over ranking models: the space, the search and the winner."""

from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.search import search
from rankkit.tuning.winner import SearchResult

__all__ = ["RankingHyperModel", "SearchResult", "search"]
