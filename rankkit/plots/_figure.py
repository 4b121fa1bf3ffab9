"""An empty figure, and the error where matplotlib is not there to make one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float = 6.4, height: float = 4.0) -> "Figure":
    """Makes a figure of its own, which leaves the caller's pyplot state and backend alone.

    Args:
        width: In inches. Defaults to `6.4`.
        height: In inches. Defaults to `4.0`.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "rankkit.plots needs matplotlib. Install it: pip install 'rankkit[plots]'."
        ) from None
    return Figure(figsize=(width, height), dpi=150, layout="constrained")
