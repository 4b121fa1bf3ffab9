"""The ranking stage of a recommender: from ratings to a model that orders candidates."""

import importlib
from typing import TYPE_CHECKING, Any

from rankkit._keras2 import use_keras_2

use_keras_2()

from rankkit import (  # noqa: E402
    bayesian,
    data,
    evaluation,
    export,
    interactions,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    plots,
)
from rankkit.distributed.workers import wait_for_workers  # noqa: E402
from rankkit.evaluation.evaluate import evaluate_ranking  # noqa: E402
from rankkit.models.ensemble import ensemble, score_std  # noqa: E402
from rankkit.models.network import ranking_network  # noqa: E402
from rankkit.ranking.candidates import CandidateIndex  # noqa: E402
from rankkit.ranking.rank import rank  # noqa: E402
from rankkit.training.callbacks import WeightAveraging, completed_epochs  # noqa: E402
from rankkit.training.memory import memory_report  # noqa: E402
from rankkit.training.model import RankingModel  # noqa: E402

if TYPE_CHECKING:
    from rankkit import spark, tuning

__all__ = [
    "CandidateIndex",
    "RankingModel",
    "WeightAveraging",
    "bayesian",
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
    "models",
    "optimizers",
    "plots",
    "rank",
    "ranking_network",
    "score_std",
    "spark",
    "tuning",
    "wait_for_workers",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # keras-tuner takes as long to import as everything else, and most processes need neither.
    if name in ("spark", "tuning"):
        return importlib.import_module(f"rankkit.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
