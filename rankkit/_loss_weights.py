"""What `compile` says for each of several heads."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit._errors import invalid, unknown, wrong_type

UNCERTAINTY = "uncertainty"


def of_head(setting: str, value: Any, head: Any, heads: Mapping[Any, Any]) -> Any:
    """Gives what a setting of `compile` says for a head.

    Args:
        setting: Its name, for errors.
        value: A dict by head, or anything for the only head.
        head: Name of the head, `None` for the only one.
        heads: Name to head.

    Raises:
        ValueError: If a head is unknown.
        TypeError: If there are several heads, and no dict.
    """
    if head is None or value is None:
        return value
    if not isinstance(value, Mapping):
        fix = f"Such as {setting}={{{head!r}: ...}}; heads that are left out have the usual one."
        raise wrong_type(setting, value, "a dict by head, as there are several", fix)
    for name in value:
        if name not in heads:
            raise unknown(f"head in {setting}", name, heads)
    return value.get(head)


def checked_weights(weights: Any, heads: Mapping[Any, Any]) -> list[float]:
    """Gives the fixed weight of each head's loss.

    Args:
        weights: Name of the head to weight, 1 otherwise; `"uncertainty"` or `None` for 1 each.
        heads: Name to head; the only one is `None`.

    Raises:
        ValueError: If a head is unknown or the only one, or a weight negative or all of them 0.
        TypeError: If the weights are no dict.
    """
    if weights is None:
        return [1.0] * len(heads)
    if None in heads:
        raise invalid("loss_weights", weights, "None: there is a single loss")
    if isinstance(weights, str) and weights == UNCERTAINTY:
        return [1.0] * len(heads)
    if not isinstance(weights, Mapping):
        expected = f"a dict by head, or {UNCERTAINTY!r}"
        raise wrong_type("loss_weights", weights, expected)
    for name, weight in weights.items():
        if name not in heads:
            raise unknown("head in loss_weights", name, heads)
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number):
            raise wrong_type(f"loss_weights[{name!r}]", weight, "a number")
    found = [float(weights.get(head, 1.0)) for head in heads]
    if min(found) < 0 or not 0 < sum(found) < float("inf"):
        raise invalid("loss_weights", dict(weights), "at least 0 each, and not all 0")
    return found
