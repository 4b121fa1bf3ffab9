"""Figures and scales shared by the plots."""

import dataclasses
import itertools
import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
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


FACTOR = 10  # from the smallest to the largest value, from which on an axis is logarithmic
TICK_DISTANCE = 0.08  # of the axis, between values that have a tick each


@dataclasses.dataclass(frozen=True)
class Scale:
    """An axis for the values of one hyperparameter.

    Attributes:
        kind: `"linear"`, `"log"` or, for text, `"category"`, whose values are evenly spaced.
        low: The smallest value; of categories their first place, 0.
        high: The largest value; of categories their last place.
        whole: Whether all values are whole numbers.
        ticks: Value to its label. Empty where the values are too close, and round numbers are best.
        categories: The text values in order.
    """

    kind: Literal["linear", "log", "category"]
    low: float
    high: float
    whole: bool
    ticks: dict[float, str]
    categories: tuple[Any, ...] = ()

    def coordinate(self, value: Any) -> float:
        """Gives a value as a number: itself, the place of a category, or NaN for `None`."""
        if value is None:
            return math.nan
        return float(self.categories.index(value) if self.categories else value)

    def fraction(self, value: Any) -> float:
        """Gives how far from low to high a value lies, from 0 to 1."""
        low, high, number = self.low, self.high, self.coordinate(value)
        if low == high:
            return math.nan if math.isnan(number) else 0.5
        if self.kind == "log":
            low, high, number = math.log(low), math.log(high), math.log(number)
        return (number - low) / (high - low)

    def limits(self, margin: float) -> tuple[float, float]:
        """Gives the ends of an axis that leaves a share of itself free on either side."""
        if self.low == self.high:
            return self.low - 0.5, self.high + 0.5
        if self.kind == "log":
            factor = (self.high / self.low) ** margin
            return self.low / factor, self.high * factor
        free = (self.high - self.low) * margin
        return self.low - free, self.high + free

    def lay_on(self, axes: "Axes", side: Literal["x", "y"], margin: float) -> None:
        """Gives an axis of a picture this scale, its limits and its ticks."""
        from matplotlib.ticker import LogLocator, NullLocator

        axes.set(**{f"{side}scale": "log" if self.kind == "log" else "linear"})
        axes.set(**{f"{side}lim": self.limits(margin)})
        axis = axes.xaxis if side == "x" else axes.yaxis
        if self.ticks:
            axis.set_ticks(list(self.ticks), list(self.ticks.values()))
        elif self.kind == "log":
            steps = (1.0,) if self.high / self.low >= 1000 else (1.0, 2.0, 5.0)
            axis.set_major_locator(LogLocator(subs=steps))
            axis.set_major_formatter(lambda number, _: f"{number:g}")
        else:
            axes.locator_params(axis=side, integer=self.whole)
        axis.set_minor_locator(NullLocator())


def scale_of(values: Sequence[Any]) -> Scale:
    """Chooses the scale for the values that a hyperparameter had.

    Args:
        values: At least one. `None` stands for a trial without the hyperparameter.
    """
    known = {value for value in values if value is not None}
    if not all(isinstance(each, numbers.Real) and not isinstance(each, bool) for each in known):
        names = tuple(sorted(known, key=str))
        ticks = {float(place): str(name) for place, name in enumerate(names)}
        return Scale("category", 0.0, len(names) - 1.0, False, ticks, names)
    ordered = sorted(map(float, known))
    low, high = ordered[0], ordered[-1]
    whole = all(number.is_integer() for number in ordered)
    is_log = low > 0 and high >= FACTOR * low
    scale = Scale("log" if is_log else "linear", low, high, whole, {})
    places = [scale.fraction(number) for number in ordered]
    is_clear = all(b - a >= TICK_DISTANCE for a, b in itertools.pairwise(places))
    if (whole and is_clear) or low == high:
        ticks = {number: f"{number:.6g}" for number in ordered}
        return dataclasses.replace(scale, ticks=ticks)
    return scale
