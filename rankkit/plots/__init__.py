"""Plots of training, of a model and its errors, of histories, and of hyperparameter searches."""

from rankkit.plots.additive_terms import additive_terms
from rankkit.plots.attention import attention
from rankkit.plots.evaluation import calibration, error_by_count, predicted_against_true
from rankkit.plots.search import parallel_coordinates, search_history, search_scatter
from rankkit.plots.training import learning_curve

__all__ = [
    "additive_terms",
    "attention",
    "calibration",
    "error_by_count",
    "learning_curve",
    "parallel_coordinates",
    "predicted_against_true",
    "search_history",
    "search_scatter",
]
