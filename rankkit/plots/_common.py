"""Figures and axis scales shared by the plots."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from rankkit.utils.errors import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG_RATIO = 10  # of the largest to the smallest value, from which an axis is logarithmic
_TICK_DISTANCE = 0.08  # smallest distance of ticks, as a fraction of the axis


def new_figure(width: float = 6.4, height: float = 4.0) -> "Figure":
    """Creates a figure, in inches, without touching pyplot's state or the backend."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "rankkit.plots needs matplotlib. Install rankkit with its extra: "
            "pip install '.[plots]' in a clone."
        ) from None
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def title_of(name: str) -> str:
    """Name of a column, metric or hyperparameter for an axis label."""
    return name.replace("_", " ")


@dataclasses.dataclass(frozen=True)
class Scale:
    """Axis scale for the values of one hyperparameter, or for scores."""

    kind: Literal["linear", "log", "category"]  # the last for text, with evenly spaced values
    low: float  # smallest value, or index 0 of categories
    high: float  # largest value, or last index of categories
    is_integer: bool = False
    # Value to tick label. Empty if matplotlib should choose round numbers.
    ticks: dict[float, str] = dataclasses.field(default_factory=dict)
    categories: tuple[Any, ...] = ()  # text values in order

    def coordinate(self, value: Any) -> float:
        """Position in data coordinates; NaN for `None`."""
        if value is None:
            return math.nan
        return float(self.categories.index(value) if self.categories else value)

    def fraction(self, value: Any) -> float:
        """Position between `low` and `high`, from 0 to 1."""
        low, high, number = self.low, self.high, self.coordinate(value)
        if low == high:
            return math.nan if math.isnan(number) else 0.5
        if self.kind == "log":
            low, high, number = math.log(low), math.log(high), math.log(number)
        return (number - low) / (high - low)

    def limits(self, margin: float) -> tuple[float, float]:
        """Axis limits with a margin on either side, as a fraction of the range."""
        if self.low == self.high:
            return self.low - 0.5, self.high + 0.5
        if self.kind == "log":
            factor = (self.high / self.low) ** margin
            return self.low / factor, self.high * factor
        padding = (self.high - self.low) * margin
        return self.low - padding, self.high + padding

    def apply(self, axes: "Axes", side: Literal["x", "y"], margin: float) -> None:
        """Sets scale, limits and ticks of an axis."""
        from matplotlib.ticker import LogLocator, NullLocator

        axes.set(**{f"{side}scale": "log" if self.kind == "log" else "linear"})
        axes.set(**{f"{side}lim": self.limits(margin)})
        axis = axes.xaxis if side == "x" else axes.yaxis
        if self.ticks:
            axis.set_ticks(list(self.ticks), list(self.ticks.values()))
        elif self.kind == "log":
            multiples = (1.0,) if self.high / self.low >= 1000 else (1.0, 2.0, 5.0)
            axis.set_major_locator(LogLocator(subs=multiples))
            axis.set_major_formatter(lambda number, _: f"{number:g}")
        else:
            axes.locator_params(axis=side, integer=self.is_integer)
        axis.set_minor_locator(NullLocator())


def choose_scale(values: Sequence[Any]) -> Scale:
    """Chooses the scale for the values of a hyperparameter; `None` where a trial has none."""
    known = {value for value in values if value is not None}
    if not all(map(is_number, known)):
        names = tuple(sorted(known, key=str))
        ticks = {float(index): str(name) for index, name in enumerate(names)}
        return Scale("category", 0.0, len(names) - 1.0, False, ticks, names)
    ordered = sorted(map(float, known))
    low, high = ordered[0], ordered[-1]
    is_integer = all(number.is_integer() for number in ordered)
    kind = "log" if low > 0 and high >= _LOG_RATIO * low else "linear"
    scale = Scale(kind, low, high, is_integer)
    gaps = (b - a for a, b in itertools.pairwise(map(scale.fraction, ordered)))
    if low == high or (is_integer and all(gap >= _TICK_DISTANCE for gap in gaps)):
        return dataclasses.replace(scale, ticks={number: f"{number:.6g}" for number in ordered})
    return scale
