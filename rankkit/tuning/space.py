"""Hyperparameters of ranking models and the space that a search samples them from."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras_tuner as kt
import numpy as np
import tensorflow as tf

from rankkit.utils.errors import as_names, check_known, invalid, is_number, unknown, wrong_type


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """Type, default range and bounds of a hyperparameter."""

    kind: type  # of its values
    default: Any  # the range `(low, high)` or list of values if the user gives none
    doubling: bool = False  # whether the values double from low to high
    log: bool = False  # whether a range is sampled on a logarithmic scale
    minimum: float = -math.inf
    below: float = math.inf  # exclusive upper bound


HYPERPARAMETERS = {
    "tower_width": Hyperparameter(int, (32, 512), doubling=True, minimum=1),
    "learning_rate": Hyperparameter(float, None, log=True, minimum=1e-12),
    "tower_depth": Hyperparameter(int, (1, 3), minimum=1),
    "embedding_dim": Hyperparameter(int, (8, 128), doubling=True, minimum=1),
    "dropout_rate": Hyperparameter(float, (0.0, 0.5), minimum=0.0, below=1.0),
    "l2": Hyperparameter(float, (1e-6, 1e-2), log=True, minimum=0.0),
    "optimizer": Hyperparameter(str, ["adagrad", "adam"]),
    "batch_size": Hyperparameter(int, (256, 8192), doubling=True, minimum=1),
    "epochs": Hyperparameter(int, (1, 50), minimum=1),
}
ALWAYS_SEARCHED = ("tower_width", "learning_rate")
# The default range of the learning rate depends on the optimizer.
LEARNING_RATES = {"adagrad": (1e-3, 1.0), "adam": (1e-4, 1e-1), "sgd": (1e-3, 1.0)}
OTHER_LEARNING_RATE = (1e-4, 1.0)


class Space:
    """The hyperparameters of a search, each with a range, a list of values or a fixed value.

    See the argument `space` of `rankkit.tuning.RankingHyperModel`.
    """

    def __init__(self, space: Mapping[str, Any] | Iterable[str] | None = None):
        names = as_names("space", () if space is None else space, "a dict or a list of names")
        given = dict(space) if isinstance(space, Mapping) else dict.fromkeys(names)
        check_known("hyperparameter", given, HYPERPARAMETERS)
        given = {**dict.fromkeys(ALWAYS_SEARCHED), **given}
        # The order must not depend on the user's dict: a seed then samples the same values.
        self.domains: dict[str, Any] = {}
        for name in sorted(given, key=["optimizer", *HYPERPARAMETERS].index):
            domain = self._default(name) if given[name] is None else given[name]
            self.domains[name] = check_domain(name, domain)

    def _default(self, name: str) -> Any:
        if name != "learning_rate":
            return HYPERPARAMETERS[name].default
        optimizer = self.domains.get("optimizer", "adagrad")
        names = optimizer if isinstance(optimizer, list) else [optimizer]
        ranges = [LEARNING_RATES.get(each, OTHER_LEARNING_RATE) for each in names]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def get_config(self) -> dict[str, Any]:
        """Hyperparameter to its range, list or value."""
        return self.domains

    @property
    def searched(self) -> list[str]:
        """Names of the hyperparameters that have more than one value."""
        return [name for name, domain in self.domains.items() if isinstance(domain, tuple | list)]

    @property
    def size(self) -> int | None:
        """The number of combinations of values, or `None` if a range is continuous."""
        values = [_values(name, domain) for name, domain in self.domains.items()]
        return None if None in values else math.prod(len(each) for each in values if each)

    def combinations(self) -> Iterator[dict[str, Any]]:
        """All combinations of values of a finite space."""
        choices = [_values(name, domain) or () for name, domain in self.domains.items()]
        for values in itertools.product(*choices):
            yield dict(zip(self.domains, values, strict=True))

    def value(self, hp: kt.HyperParameters, name: str, default: Any = None) -> Any:
        """The value in `hp`, where it is declared; `default` if the space does not have it."""
        if name not in self.domains:
            return default
        domain, known = self.domains[name], HYPERPARAMETERS[name]
        if isinstance(domain, list):
            return hp.Choice(name, domain)
        if not isinstance(domain, tuple):
            return hp.Fixed(name, domain)
        if known.doubling:
            return hp.Int(name, *domain, step=2, sampling="log")
        if known.kind is int:
            return hp.Int(name, *domain)
        return hp.Float(name, *domain, sampling="log" if known.log else "linear")

    def declare(self, hp: kt.HyperParameters) -> None:
        """Declares all hyperparameters to keras-tuner."""
        for name in self.domains:
            self.value(hp, name)

    def on_grid(self, max_trials: int) -> "Space":
        """Replaces ranges by lists of values so that the grid is the largest that fits."""
        lists = [domain for domain in self.domains.values() if isinstance(domain, list)]
        ranges = {name: d for name, d in self.domains.items() if isinstance(d, tuple)}
        all_values = {name: _values(name, domain) for name, domain in ranges.items()}
        points = dict.fromkeys(reversed(ranges), 2)

        def grid_size(points: dict[str, int]) -> int:
            return math.prod(points.values()) * math.prod(map(len, lists))

        def can_be_finer(name: str) -> bool:
            values = all_values[name]
            is_finest = values is not None and points[name] == len(values)
            return not is_finest and grid_size({**points, name: points[name] + 1}) <= max_trials

        if (smallest := grid_size(points)) > max_trials:
            fix = "Search fewer hyperparameters, fix some of them, or use another tuner."
            raise invalid("max_trials", max_trials, f"at least {smallest} for this grid", fix)
        # The coarsest first; among equals the learning rate before the tower width.
        while finer := list(filter(can_be_finer, points)):
            points[min(finer, key=points.__getitem__)] += 1
        grids = {name: _spaced(name, ranges[name], points[name]) for name in ranges}
        return Space({**self.domains, **grids})


def _values(name: str, domain: Any) -> Sequence[Any] | None:
    """All values of a domain; `None` if it is continuous."""
    if not isinstance(domain, tuple):
        return domain if isinstance(domain, list) else [domain]
    known, (low, high) = HYPERPARAMETERS[name], domain
    if known.doubling:
        return [low * 2**k for k in range(int(math.log2(high // low)) + 1)]
    return range(low, high + 1) if known.kind is int else None


def _spaced(name: str, domain: tuple, points: int) -> list:
    """Evenly spaced values of a range, on its scale, with both ends."""
    values = _values(name, domain)
    if values is not None:
        return [values[i] for i in np.linspace(0, len(values) - 1, points).round().astype(int)]
    spaced = np.geomspace if HYPERPARAMETERS[name].log else np.linspace
    low, high = domain
    values = [float(value) for value in spaced(low, high, points)]
    rounded = [low, *(float(f"{value:.3g}") for value in values[1:-1]), high]
    return rounded if sorted(set(rounded)) == rounded else values


def without_tuner_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Drops the entries that Hyperband keeps for itself among a trial's hyperparameters."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def check_domain(name: str, domain: Any) -> Any:
    """Checks a user's range, list of values or fixed value, and converts it to Python types."""
    shown = f"space[{name!r}]"
    known = HYPERPARAMETERS[name]
    if isinstance(domain, list):
        values = [_check_value(f"{shown}[{i}]", name, each) for i, each in enumerate(domain)]
        if not values or len(set(values)) < len(values):
            raise invalid(shown, domain, "a list of at least one value, without duplicates")
        return values
    if not isinstance(domain, tuple):
        return _check_value(shown, name, domain)
    if known.kind is str:
        raise invalid(shown, domain, "a list of names", f"Write {list(domain)!r}.")
    if len(domain) != 2:
        fix = "A list searches single values, such as [32, 64, 256]."
        raise invalid(shown, domain, "a range (low, high), both included", fix)
    low, high = (_check_value(shown, name, each) for each in domain)
    if not low < high:
        fix = f"To fix it to one value, write {{{name!r}: {low!r}}}."
        raise invalid(shown, domain, "a range (low, high) with low < high", fix)
    if known.doubling and low << (doublings := int(math.log2(high / low))) != high:
        near = f"({low}, {low << max(1, doublings)})"
        fix = f"Use {near}, or a list of values: [{low}, {high}]."
        raise invalid(shown, domain, "a range (low, high) with high = low * 2**n", fix)
    if known.log and low <= 0:
        expected = "a range (low, high) with low > 0, as it is sampled on a logarithmic scale"
        raise invalid(shown, domain, expected)
    return low, high


def _check_value(shown: str, name: str, value: Any) -> Any:
    known = HYPERPARAMETERS[name]
    if known.kind is str:
        return _check_optimizer(shown, value)
    if not is_number(value):
        raise wrong_type(shown, value, "a number")
    if not math.isfinite(value) or (known.kind is int and not isinstance(value, int | np.integer)):
        raise invalid(shown, value, "an integer" if known.kind is int else "a finite number")
    if value < known.minimum:
        raise invalid(shown, value, f"at least {known.minimum}")
    if value >= known.below:
        raise invalid(shown, value, f"below {known.below}")
    return known.kind(value)


def _check_optimizer(shown: str, name: Any) -> str:
    if not isinstance(name, str):
        fix = "The learning rate is a hyperparameter of its own."
        raise wrong_type(shown, name, "the name of a Keras optimizer", fix)
    try:
        tf.keras.optimizers.get(name)
    except (ValueError, KeyError, TypeError):  # such as LossScaleOptimizer, which wraps another one
        raise unknown(f"optimizer in {shown}", name, LEARNING_RATES) from None
    return name.lower()
