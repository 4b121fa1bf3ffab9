"""Colours for scores, the darkest for the best."""

from typing import TYPE_CHECKING

from rankkit.plots._trials import Trials

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable


def score_colors(trials: Trials) -> "ScalarMappable":
    """Spreads the colours over the scores to show; what is off that scale has the lightest."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = trials.shown_range
    colors = "viridis" if trials.direction == "min" else "viridis_r"
    return ScalarMappable(Normalize(low, high), colors)
