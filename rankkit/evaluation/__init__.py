"""Evaluation: ranking metrics, comparison of scorers, diagnosis of a model and a baseline."""

from rankkit.evaluation.baselines import BiasBaseline
from rankkit.evaluation.callback import RankingMetrics
from rankkit.evaluation.compare import compare_rankings
from rankkit.evaluation.diagnose import diagnose
from rankkit.evaluation.diagnosis import Diagnosis
from rankkit.evaluation.report import Report

__all__ = ["BiasBaseline", "Diagnosis", "RankingMetrics", "Report", "compare_rankings", "diagnose"]
