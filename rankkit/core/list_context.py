"""Which rows of a call belong to the same list, for layers that compare the rows of a list."""

import contextlib
import contextvars
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from rankkit.utils.graph_errors import marked
from rankkit.utils.tensorflow import layers_of


class Lists(NamedTuple):
    """Lists whose items are the rows of a call.

    Attributes:
        mask: True for items and false for padding, `(lists, items)`.
        positions: List and position in it of each row, `(rows, 2)`.
    """

    mask: tf.Tensor
    positions: tf.Tensor


_INDEPENDENT = "independent"
_LISTS: contextvars.ContextVar[Any] = contextvars.ContextVar("lists", default=None)


@contextlib.contextmanager
def rows_of(lists: Any) -> Iterator[None]:
    """Within the context, the rows of a call are the items of lists, or with `None` one list."""
    token = _LISTS.set(lists)
    try:
        yield
    finally:
        _LISTS.reset(token)


def current_lists() -> Lists | None:
    """The lists that the rows of this call belong to; `None` if they are one list."""
    if (lists := _LISTS.get()) is _INDEPENDENT:
        error = ValueError(
            "A scorer must say that it scores the candidates of a query together. Got: a function "
            "or model that calls CandidateAttention. Pass the RankingModel or the network itself, "
            "or set scorer.compares_rows = True."
        )
        raise marked(error)
    return lists


def rows_of_scorer(scorer: Any) -> contextlib.AbstractContextManager[None]:
    """Within the context, CandidateAttention raises unless the scorer declares it."""
    return rows_of(None if compares_rows(scorer) else _INDEPENDENT)


_COMPARE_ROWS: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()


def compares_rows(scorer: Any) -> bool:
    """Whether the score of a row depends on the other rows of its list."""
    known = getattr(scorer, "compares_rows", None)
    if known is not None:
        return bool(known)
    network = getattr(scorer, "network", scorer)
    if not isinstance(network, tf.keras.layers.Layer):
        return False
    if network not in _COMPARE_ROWS:
        found = any(getattr(layer, "compares_rows", False) for layer in layers_of(network))
        _COMPARE_ROWS[network] = found
    return _COMPARE_ROWS[network]


def check_independent_rows(scorer: Any, call: str, fix: str) -> None:
    """Raises if the score of a row depends on the other rows of its list."""
    if compares_rows(scorer):
        raise ValueError(
            f"{call} scores rows independently of each other. Got: a model with "
            f"CandidateAttention, which scores the candidates of a query together. {fix}"
        )
