"""Pictures of training and of searches, one a file."""

from rankkit.plots.learning_curve import learning_curve
from rankkit.plots.parallel_coordinates import parallel_coordinates
from rankkit.plots.search_history import search_history
from rankkit.plots.search_scatter import search_scatter

__all__ = ["learning_curve", "parallel_coordinates", "search_history", "search_scatter"]
