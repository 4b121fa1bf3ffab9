"""The ranking stage of a recommender: from ratings to a model that orders candidates."""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from rankkit._keras2 import use_keras_2

use_keras_2()

if TYPE_CHECKING:
    from rankkit import (
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
        serving,
        spark,
        tuning,
    )
    from rankkit.distributed.workers import wait_for_workers
    from rankkit.evaluation.evaluate import evaluate_ranking
    from rankkit.models.ensemble import ensemble, score_std
    from rankkit.models.network import ranking_network
    from rankkit.ranking.candidates import CandidateIndex
    from rankkit.ranking.rank import rank
    from rankkit.training.callbacks import WeightAveraging, completed_epochs
    from rankkit.training.memory import memory_report
    from rankkit.training.model import RankingModel

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
    "serving",
    "spark",
    "tuning",
    "wait_for_workers",
]
__version__ = "0.1.0"

_MODULES = {
    "CandidateIndex": "ranking.candidates",
    "RankingModel": "training.model",
    "WeightAveraging": "training.callbacks",
    "completed_epochs": "training.callbacks",
    "ensemble": "models.ensemble",
    "evaluate_ranking": "evaluation.evaluate",
    "memory_report": "training.memory",
    "rank": "ranking.rank",
    "ranking_network": "models.network",
    "score_std": "models.ensemble",
    "wait_for_workers": "distributed.workers",
}


# keras-tuner takes as long to import as everything else, and most processes need none of these.
_ON_DEMAND = ("serving", "spark", "tuning")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _MODULES:
        return importlib.import_module(f"rankkit.{name}")
    value = getattr(importlib.import_module(f"rankkit.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# Keras finds the classes of a file once they are imported. The command `rankkit` imports what its
# subcommand needs: serving a TensorFlow Lite file needs no TensorFlow.
if os.path.basename("".join(sys.argv[:1])) not in ("rankkit", "-m"):
    for _name in __all__:
        if _name not in _ON_DEMAND:
            __getattr__(_name)
