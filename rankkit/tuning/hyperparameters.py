"""The hyperparameters there are: their usual ranges, and which values are possible."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid, unknown, wrong_type

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
