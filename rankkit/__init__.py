"""The ranking stage of a recommender: from ratings to a model that orders candidates."""

from rankkit._keras import use_keras_2

use_keras_2()

from rankkit import data, export, layers, plots  # noqa: E402
from rankkit.model import RankingModel  # noqa: E402
from rankkit.network import ranking_network  # noqa: E402
from rankkit.ranking import rank  # noqa: E402
from rankkit.resuming import completed_epochs  # noqa: E402

__all__ = [
    "RankingModel",
    "completed_epochs",
    "data",
    "export",
    "layers",
    "plots",
    "rank",
    "ranking_network",
]
__version__ = "0.1.0"
