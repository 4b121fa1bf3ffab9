"""The ranking stage of a recommender: from ratings to a model that orders candidates."""

import importlib
from typing import TYPE_CHECKING, Any

from rankkit._keras import use_keras_2

use_keras_2()

from rankkit import (  # noqa: E402
    data,
    evaluation,
    export,
    interactions,
    layers,
    losses,
    metrics,
    optimizers,
    plots,
    recipes,
    sampling,
)
from rankkit.candidate_pool import CandidatePool  # noqa: E402
from rankkit.ensembling import ensemble, score_spread  # noqa: E402
from rankkit.evaluation.evaluate import evaluate_ranking  # noqa: E402
from rankkit.memory import memory_report  # noqa: E402
from rankkit.model import RankingModel  # noqa: E402
from rankkit.network import ranking_network  # noqa: E402
from rankkit.ranking import rank  # noqa: E402
from rankkit.resuming import completed_epochs  # noqa: E402
from rankkit.weight_averaging import WeightAveraging  # noqa: E402
from rankkit.workers import wait_for_workers  # noqa: E402

if TYPE_CHECKING:
    from rankkit import spark, tuning

__all__ = [
    "CandidatePool",
    "RankingModel",
    "WeightAveraging",
    "completed_epochs",
    "data",
    "ensemble",
    "evaluate_ranking",
    "evaluation",
    "export",
    "interactions",
    "layers",
    "losses",
    "memory_report",
    "metrics",
    "optimizers",
    "plots",
    "rank",
    "ranking_network",
    "recipes",
    "sampling",
    "score_spread",
    "spark",
    "tuning",
    "wait_for_workers",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # keras-tuner takes as long to import as all the rest, and few processes tune; or use Spark.
    if name in ("spark", "tuning"):
        return importlib.import_module(f"rankkit.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
