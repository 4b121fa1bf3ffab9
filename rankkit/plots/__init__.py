"""Plots of training, of the errors of a model and of hyperparameter searches."""

from rankkit.plots.evaluation import calibration, error_by_count, predicted_against_true
from rankkit.plots.search import parallel_coordinates, search_history, search_scatter
from rankkit.plots.training import learning_curve

__all__ = [
    "calibration",
    "error_by_count",
    "learning_curve",
    "parallel_coordinates",
    "predicted_against_true",
    "search_history",
    "search_scatter",
]
