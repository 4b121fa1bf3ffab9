"""The parts of a batch: features, labels and sample weights."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from rankkit.core.list_context import Lists, check_independent_rows
from rankkit.core.listwise import MASK
from rankkit.core.precision import to_float32
from rankkit.utils.errors import check_mapping, missing, wrong_type
from rankkit.utils.graph_errors import assert_in_graph, check_numerics


class Batch(NamedTuple):
    """A batch of rows, or of lists of rows.

    Attributes:
        features: Columns with one value per row, without the padding of lists.
        labels: `(batch, 1)`, or `(lists, items)` with NaN as padding.
        sample_weight: `(batch,)`, `(lists, items)` or `None`.
        lists: The lists that the rows are the items of; `None` if there are none.
    """

    features: Mapping[str, Any]
    labels: tf.Tensor
    sample_weight: tf.Tensor | None
    lists: Lists | None = None

    @property
    def positions(self) -> tf.Tensor | None:
        """List and position in it of each row, `(rows, 2)`; `None` without lists."""
        return None if self.lists is None else self.lists.positions


def take_apart(
    data: Any,
    label: str,
    sample_weight: str | None,
    features: Iterable[str],
    *,
    lists: bool,
    partly: bool = False,
) -> Batch:
    """Splits a batch of Keras into features, labels and sample weights.

    `lists`: whether it has to hold lists; `partly`: whether NaN means that there is no label.
    """
    columns, labels, weights = _parts(data)
    if partly and labels is not None and not isinstance(labels, Mapping):
        fix = f"Pass {{{label!r}: ...}}."
        raise wrong_type("labels", labels, "a dict by column, as there are several heads", fix)
    labels = _column("label", label, labels, columns)
    weights = _column("sample_weight", sample_weight, weights, columns)
    mask = columns.get(MASK)
    _check_kind(labels, mask, lists=lists)
    labels = numbers_of("label", label, labels, lists=lists, partly=partly)
    if weights is not None:
        weights = numbers_of("sample_weight", sample_weight, weights, lists=lists)
    if lists:
        positions = tf.where(mask)
        rows = {name: _at(columns[name], mask, positions) for name in features if name in columns}
        if weights is not None:
            weights = weights_of_items(weights, mask)
        lists_of_rows = Lists(mask, positions)
        return Batch(rows, tf.where(mask, labels, math.nan), weights, lists_of_rows)
    labels = tf.reshape(labels, (-1, 1))
    return Batch(columns, labels, None if weights is None else tf.reshape(weights, (-1,)))


def _parts(data: Any) -> tuple[Mapping[str, Any], Any, Any]:
    """The columns of a batch of Keras, and the labels and sample weights given beside them."""
    is_tuple = isinstance(data, (tuple, list)) and 1 <= len(data) <= 3
    parts: list[Any] = [*data, None, None] if is_tuple else [data, None, None]
    expected = "a dict of columns, or (features, label[, sample_weight]) with a dict of features"
    fix = "Pass a dict of columns: {'user_id': ..., 'movie_title': ...}."
    return check_mapping("a batch", parts[0], expected, fix), parts[1], parts[2]


def weighted_columns(data: Any, sample_weight: str | None) -> tuple[Mapping[str, Any], Any]:
    """Returns the columns of a batch without a label, and the sample weights of its rows."""
    columns, labels, weights = _parts(data)
    if labels is not None:
        fix = "Pass the columns alone: the items of the histories are the labels."
        raise wrong_type("labels", labels, "None for a NextItemLoss", fix)
    weights = _column("sample_weight", sample_weight, weights, columns)
    if weights is not None:
        weights = numbers_of("sample_weight", sample_weight, weights, lists=False)
        weights = tf.reshape(weights, (-1,))
    return columns, weights


def _check_kind(labels: Any, mask: Any, *, lists: bool) -> None:
    """Raises for rows with a listwise loss, and for lists with a loss of rows."""
    has_lists = len(getattr(mask, "shape", ())) == 2 and len(getattr(labels, "shape", ())) == 2
    if lists and not has_lists:
        raise TypeError(
            "A listwise loss needs batches of lists with a mask. Got: a batch of single rows. Make "
            "the batches with rankkit.data.lists, or use another loss."
        )
    if has_lists and not lists:
        raise TypeError(
            "The loss needs batches of single rows. Got: a batch of lists. Make the batches with "
            "rankkit.data.batches, or use a listwise loss of rankkit.losses."
        )


def num_rows(data: Any) -> tf.Tensor:
    """The number of rows in a batch of Keras, without the padding of lists."""
    columns = data[0] if isinstance(data, (tuple, list)) else data
    mask, first = columns.get(MASK), next(iter(columns.values()))
    if len(getattr(mask, "shape", ())) == 2:
        return tf.math.count_nonzero(mask, dtype=tf.int32)
    return tf.cast(
        first.nrows() if isinstance(first, tf.RaggedTensor) else tf.shape(first)[0], tf.int32
    )


def checked_rows(model: Any, columns: Any) -> Any:
    """Returns the columns of a batch to score, after a check that rows are scored one by one."""
    fix = "Use rankkit.rank, or call the model with the candidates of one query."
    check_independent_rows(model, "predict", fix)
    if isinstance(columns, Mapping) and len(getattr(columns.get(MASK), "shape", ())) == 2:
        raise TypeError(
            "predict scores single rows, whatever the loss. Got: a batch of lists. Make the "
            "batches with rankkit.data.batches."
        )
    return columns


def _at(column: Any, mask: Any, positions: tf.Tensor) -> Any:
    """The values of the items of lists without padding, one per row."""
    if not isinstance(column, tf.RaggedTensor):
        return tf.gather_nd(column, positions)
    width = tf.shape(mask, tf.int64)[1]
    return tf.gather(column.merge_dims(0, 1), positions[:, 0] * width + positions[:, 1])


def _column(role: str, name: str | None, given: Any, columns: Mapping[str, Any]) -> Any:
    """Labels or weights as they are given beside the features, or as a column among them."""
    if given is not None and not isinstance(given, Mapping):
        return given
    if name is None:
        return None
    columns = columns if given is None else given
    if name not in columns:
        raise missing(role, name, [name], columns)
    return columns[name]


def labeled(batch: Batch, *, lists: bool) -> tuple[Batch, tf.Tensor]:
    """Returns the rows or lists with a label, without features, and the indices of the rows."""
    labels, weights, positions = batch.labels, batch.sample_weight, batch.positions
    of_rows = labels[:, 0] if positions is None else tf.gather_nd(labels, positions)
    rows = tf.where(~tf.math.is_nan(of_rows))[:, 0]
    if lists:
        assert batch.lists is not None
        assert positions is not None
        has_label = tf.reduce_any(~tf.math.is_nan(labels), axis=1)
        kept = tf.where(has_label)[:, 0]
        number = tf.cumsum(tf.cast(has_label, tf.int64), exclusive=True)  # among the kept lists
        positions = tf.gather(positions, rows)
        positions = tf.stack([tf.gather(number, positions[:, 0]), positions[:, 1]], axis=1)
        weights = None if weights is None else tf.gather(weights, kept)
        labels, mask = tf.gather(labels, kept), tf.gather(batch.lists.mask, kept)
        return Batch({}, labels, weights, Lists(mask, positions)), rows
    if weights is not None:
        if positions is not None:
            weights = tf.gather_nd(weights, positions)
        weights = tf.gather(weights, rows)
    return Batch({}, tf.gather(of_rows, rows)[:, tf.newaxis], weights), rows


def check_sizes(batch: Batch, predictions: tf.Tensor) -> Batch:
    """Returns a batch after a check of one label and one weight per row; broadcasting hides it."""
    if batch.positions is not None:
        return batch
    rows = tf.size(predictions)
    columns = {"label": batch.labels, "sample weight": batch.sample_weight}
    checks = []
    for name, column in columns.items():
        if column is not None:
            count = tf.size(column)
            message = f"There must be one {name} per row. Got: ", count, f" {name}s for ", rows
            checks.append(assert_in_graph(count == rows, *message, " rows."))
    with tf.control_dependencies(checks):
        return batch._replace(labels=tf.identity(batch.labels))


def numbers_of(
    role: str, name: str | None, values: Any, *, lists: bool, partly: bool = False
) -> tf.Tensor:
    """Converts labels or weights to finite float32, one per row or item; NaN too if `partly`."""
    shown = f"{role.capitalize().replace('_', ' ')} {name!r}" if name else role
    if not isinstance(values, tf.RaggedTensor):
        values = tf.convert_to_tensor(values)
    if not (values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool):
        raise wrong_type(shown, values.dtype.name, "numbers", "Convert the column first.")
    single = values.shape.rank in (None, 1) or values.shape[1:].num_elements() == 1
    is_ragged = isinstance(values, tf.RaggedTensor)
    if is_ragged or not (single or (lists and values.shape.rank == 2)):
        raise TypeError(f"{shown} must be of shape (batch,) or (batch, 1). Got: {values.shape}.")
    numbers = to_float32(shown, values)
    checked = tf.where(tf.math.is_nan(numbers), 0.0, numbers) if partly else numbers
    message = f"{shown} must be finite. Got: NaN or inf. Drop or fix those rows."
    checks = [check_numerics(checked, message)]
    if role == "sample_weight":
        message = f"{shown} must be at least 0. Got: a negative value. Drop or fix those rows."
        checks.append(assert_in_graph(tf.reduce_all(numbers >= 0.0), message))
    with tf.control_dependencies(checks):
        return tf.identity(numbers)


def weights_of_items(weights: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Expands weights of lists, or of their items, to one per item."""
    lists, count = tf.shape(mask)[0], tf.size(weights)
    message = "There must be one sample weight per list or one per item. Got: "
    shown = count, " sample weights for ", lists, " lists of ", tf.shape(mask)[1], " items."
    fits = assert_in_graph((count == lists) | (count == tf.size(mask)), message, *shown)
    with tf.control_dependencies([fits]):
        weights = tf.reshape(weights, [lists, count // tf.maximum(lists, 1)])
    return tf.broadcast_to(weights, tf.shape(mask))
