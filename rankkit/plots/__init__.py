"""Pictures of training, of a model's errors and of searches, one a file."""

from rankkit.plots.calibration import calibration
from rankkit.plots.error_by_count import error_by_count
from rankkit.plots.learning_curve import learning_curve
from rankkit.plots.parallel_coordinates import parallel_coordinates
from rankkit.plots.predicted_against_true import predicted_against_true
from rankkit.plots.search_history import search_history
from rankkit.plots.search_scatter import search_scatter

__all__ = [
    "calibration",
    "error_by_count",
    "learning_curve",
    "parallel_coordinates",
    "predicted_against_true",
    "search_history",
    "search_scatter",
]
