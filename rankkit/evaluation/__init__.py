"""Evaluation: ranking metrics, comparison of scorers, diagnosis, a report as HTML, a baseline."""

from rankkit.evaluation.additive_terms import AdditiveTerm, additive_terms
from rankkit.evaluation.all_items import evaluate_all_items
from rankkit.evaluation.baselines import BiasBaseline
from rankkit.evaluation.callback import RankingMetrics
from rankkit.evaluation.compare import compare_rankings
from rankkit.evaluation.diagnose import diagnose
from rankkit.evaluation.diagnosis import Diagnosis
from rankkit.evaluation.html.report import html_report
from rankkit.evaluation.next_item_metrics import NextItemMetrics
from rankkit.evaluation.report import Report

__all__ = [
    "AdditiveTerm",
    "BiasBaseline",
    "Diagnosis",
    "NextItemMetrics",
    "RankingMetrics",
    "Report",
    "additive_terms",
    "compare_rankings",
    "diagnose",
    "evaluate_all_items",
    "html_report",
]
