"""Hyperparameters and their ranges."""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras_tuner as kt
import numpy as np
import tensorflow as tf

from rankkit.utils.errors import invalid, unknown, wrong_type


class Space:
    """The hyperparameters that one search is over, each with a range, a list or one fixed value.

    Args:
        opened: Name to `(low, high)`, both included, a list of values, one fixed value, or `None`
            for the range of `HYPERPARAMETERS`; or names alone. The tower's width and the learning
            rate are always part of it.

    Raises:
        ValueError: If a name is unknown, a range empty or reversed, or a value impossible.
        TypeError: If a value is of the wrong kind.
    """

    def __init__(self, opened: Mapping[str, Any] | Iterable[str] | None = None):
        if isinstance(opened, str):
            raise wrong_type("space", opened, "a dict or a list of names", f"Write [{opened!r}].")
        given = dict(opened) if isinstance(opened, Mapping) else dict.fromkeys(opened or ())
        for name in given:
            if name not in HYPERPARAMETERS:
                raise unknown("hyperparameter", name, HYPERPARAMETERS)
        given = {**dict.fromkeys(ALWAYS), **given}
        # In the order of the table, whatever the user's: a seed draws the same values.
        self.domains: dict[str, Any] = {}
        for name in sorted(given, key=["optimizer", *HYPERPARAMETERS].index):
            domain = self._default(name) if given[name] is None else given[name]
            self.domains[name] = checked_domain(name, domain)

    def _default(self, name: str) -> Any:
        if name != "learning_rate":
            return HYPERPARAMETERS[name].searched
        optimizer = self.domains.get("optimizer", "adagrad")
        names = optimizer if isinstance(optimizer, list) else [optimizer]
        ranges = [LEARNING_RATES.get(each, ANY_LEARNING_RATE) for each in names]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def get_config(self) -> dict[str, Any]:
        """Hyperparameter to its range, list or value."""
        return self.domains

    @property
    def searched(self) -> list[str]:
        """The names that have more than one value."""
        return [name for name, domain in self.domains.items() if isinstance(domain, tuple | list)]

    @property
    def size(self) -> int | None:
        """How many combinations of values there are, or `None` if there is no end of them."""
        sizes = [
            len(domain) if isinstance(domain, list) else _most_points(name, domain)
            for name, domain in self.domains.items()
            if isinstance(domain, tuple | list)
        ]
        return None if math.inf in sizes else math.prod(map(int, sizes))

    def combinations(self) -> Iterator[dict[str, Any]]:
        """Gives all combinations of values, of a space that has an end."""
        choices = [_values(name, domain) or () for name, domain in self.domains.items()]
        for values in itertools.product(*choices):
            yield dict(zip(self.domains, values, strict=True))

    def value(self, hp: kt.HyperParameters, name: str, default: Any = None) -> Any:
        """Asks keras-tuner for a value, and so makes the hyperparameter known to it.

        Args:
            hp: keras-tuner's hyperparameters.
            name: A name of `HYPERPARAMETERS`.
            default: What it is where the space does not have it.
        """
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
        """Makes all hyperparameters known to keras-tuner.

        Args:
            hp: keras-tuner's hyperparameters.
        """
        for name in self.domains:
            self.value(hp, name)

    def on_grid(self, max_trials: int) -> "Space":
        """Gives the space with a list in place of each range: the largest grid that fits.

        Args:
            max_trials: How many points the grid may have.

        Raises:
            ValueError: If two values for each range are already too many.
        """
        lists = {name: d for name, d in self.domains.items() if isinstance(d, list)}
        ranges = {name: d for name, d in self.domains.items() if isinstance(d, tuple)}
        most = {name: _most_points(name, domain) for name, domain in ranges.items()}
        points = dict.fromkeys(ranges, 2)
        if (least := _product(lists, points)) > max_trials:
            fix = "Search fewer hyperparameters, fix some, or take another tuner."
            raise invalid("max_trials", max_trials, f"at least {least} for this grid", fix)
        for name in itertools.cycle(reversed(ranges)):
            finer = [n for n in ranges if points[n] < most[n]]
            finer = [
                n for n in finer if _product(lists, {**points, n: points[n] + 1}) <= max_trials
            ]
            if not finer:
                break
            # The coarsest first; among equals the learning rate, on which most depends.
            coarsest = min(points[n] for n in finer)
            if name in finer and points[name] == coarsest:
                points[name] += 1
        grids = {name: _spaced(name, ranges[name], points[name]) for name in ranges}
        return Space({**self.domains, **grids})


def _product(lists: Mapping[str, list], points: Mapping[str, int]) -> int:
    return math.prod(points.values()) * math.prod(map(len, lists.values()))


def _values(name: str, domain: Any) -> Sequence[Any] | None:
    """All values of a domain; `None` where it is continuous."""
    if not isinstance(domain, tuple):
        return domain if isinstance(domain, list) else [domain]
    known, (low, high) = HYPERPARAMETERS[name], domain
    if known.doubling:
        return [low * 2**k for k in range(int(math.log2(high // low)) + 1)]
    return range(low, high + 1) if known.kind is int else None


def _most_points(name: str, domain: tuple) -> float:
    values = _values(name, domain)
    return math.inf if values is None else len(values)


def _spaced(name: str, domain: tuple, points: int) -> list:
    values = _values(name, domain)
    if values is not None:
        return [
            values[place] for place in np.linspace(0, len(values) - 1, points).round().astype(int)
        ]
    spaced = np.geomspace if HYPERPARAMETERS[name].log else np.linspace
    low, high = domain
    values = [float(value) for value in spaced(low, high, points)]
    short = [low, *(float(f"{value:.3g}") for value in values[1:-1]), high]
    return short if sorted(set(short)) == short else values


# A learning rate is searched in the range that suits the optimizer.
LEARNING_RATES = {"adagrad": (1e-3, 1.0), "adam": (1e-4, 1e-1), "sgd": (1e-3, 1.0)}
ANY_LEARNING_RATE = (1e-4, 1.0)


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """What is known of a hyperparameter ahead of any search.

    Attributes:
        kind: Type of its values.
        searched: A range `(low, high)` or a list of values, where the user gives none.
        doubling: Whether its values double from low to high; otherwise whole numbers are searched
            one by one.
        log: Whether numbers that do not double are drawn by their logarithm. Defaults to `False`.
        least: The smallest value there is. Defaults to `None`, no bound.
        below: What its values are below. Defaults to `None`, no bound.
    """

    kind: type
    searched: Any
    doubling: bool = False
    log: bool = False
    least: float | None = None
    below: float | None = None


HYPERPARAMETERS = {
    "tower_width": Hyperparameter(int, (32, 512), doubling=True, least=1),
    "learning_rate": Hyperparameter(float, None, log=True, least=1e-12),
    "tower_depth": Hyperparameter(int, (1, 3), least=1),
    "embedding_dim": Hyperparameter(int, (8, 128), doubling=True, least=1),
    "dropout_rate": Hyperparameter(float, (0.0, 0.5), least=0.0, below=1.0),
    "l2": Hyperparameter(float, (1e-6, 1e-2), log=True, least=0.0),
    "optimizer": Hyperparameter(str, ["adagrad", "adam"]),
    "batch_size": Hyperparameter(int, (256, 8192), doubling=True, least=1),
    "epochs": Hyperparameter(int, (1, 50), least=1),
}
ALWAYS = ("tower_width", "learning_rate")


def without_tuners_own(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what Hyperband keeps among the hyperparameters of a trial for itself.

    Args:
        values: Hyperparameter to value, as keras-tuner has them.
    """
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def checked_domain(name: str, domain: Any) -> Any:
    """Checks what a user gives for a hyperparameter: a range, a list of values or one value.

    Raises:
        ValueError: If it is empty, reversed or holds an impossible value.
        TypeError: If a value is of the wrong kind.
    """
    shown = f"space[{name!r}]"
    known = HYPERPARAMETERS[name]
    if isinstance(domain, list):
        values = [_value(f"{shown}[{place}]", name, each) for place, each in enumerate(domain)]
        if not values or len(set(values)) < len(values):
            raise invalid(shown, domain, "a list of at least one value, each once")
        return values
    if not isinstance(domain, tuple):
        return _value(shown, name, domain)
    if known.kind is str:
        raise invalid(shown, domain, "a list of names", f"Write {list(domain)!r}.")
    if len(domain) != 2:
        fix = "Values go into a list: [32, 64, 256]."
        raise invalid(shown, domain, "a range (low, high), both included", fix)
    low, high = (_value(shown, name, each) for each in domain)
    if not low < high:
        fix = f"For one fixed value, give it alone: {{{name!r}: {low!r}}}."
        raise invalid(shown, domain, "a range (low, high) with low < high", fix)
    if known.doubling and low << (doublings := int(math.log2(high / low))) != high:
        near = f"({low}, {low << max(1, doublings)})"
        fix = f"Give {near}, or a list of values: [{low}, {high}]."
        raise invalid(shown, domain, "a range (low, high) in which values double up to high", fix)
    if known.log and low <= 0:
        raise invalid(shown, domain, "a range (low, high) with low > 0: it is drawn by logarithm")
    return low, high


def _value(shown: str, name: str, value: Any) -> Any:
    known = HYPERPARAMETERS[name]
    if known.kind is str:
        return _optimizer(shown, value)
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise wrong_type(shown, value, "a number")
    if not math.isfinite(value) or (known.kind is int and value != int(value)):
        kind = "a whole number" if known.kind is int else "a finite number"
        raise invalid(shown, value, kind)
    if known.least is not None and value < known.least:
        raise invalid(shown, value, f"at least {known.least}")
    if known.below is not None and value >= known.below:
        raise invalid(shown, value, f"below {known.below}")
    return known.kind(value)


def _optimizer(shown: str, name: Any) -> str:
    if not isinstance(name, str):
        fix = "Its learning rate is a hyperparameter of its own."
        raise wrong_type(shown, name, "the name of a Keras optimizer", fix)
    try:
        tf.keras.optimizers.get(name)
    except (ValueError, KeyError, TypeError):  # of an optimizer around another, too
        raise unknown(f"optimizer in {shown}", name, LEARNING_RATES) from None
    return name.lower()
