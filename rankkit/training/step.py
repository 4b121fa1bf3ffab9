"""The update of the weights in a training step, and the regularization losses."""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.training.batch import num_rows
from rankkit.training.compile_args import over_replicas
from rankkit.utils.graph_errors import assert_in_graph
from rankkit.utils.system import check_training_memory
from rankkit.utils.tensorflow import is_user_code

_OPTIMIZERS = tf.keras.optimizers
# With these, updating a whole embedding table and updating the rows of a batch give the same
# weights. The first two touch all rows in any case.
_UPDATE_ALL_ROWS = (_OPTIMIZERS.Adam, _OPTIMIZERS.AdamW)
_UPDATE_ROWS_OF_THE_BATCH = (_OPTIMIZERS.Adagrad, _OPTIMIZERS.SGD)
_EMPTY = (
    "A batch must have examples, with a strategy or an optimizer that is not one of "
    "tf.keras.optimizers. Got: an empty batch. Leave it out, such as with filter."
)


def build_optimizer(optimizer: Any, weights: Sequence[tf.Variable]) -> None:
    """Creates the optimizer's variables before the first step, if the memory is large enough."""
    check_training_memory(weights, optimizer)
    if hasattr(optimizer, "build"):  # legacy optimizers have none
        optimizer.build(weights)


def update_weights(
    optimizer: Any,
    tape: tf.GradientTape,
    loss: tf.Tensor,
    weights: Sequence[tf.Variable],
    dense_limit: float | None,
    filled: tf.Tensor | None = None,
) -> None:
    """Applies the gradients of a loss, unless `filled` is false: there was no example.

    With a strategy, where `filled` is that of a replica, and with an optimizer whose `minimize` is
    not Keras's own, the graph raises if no replica has an example: the step would count.

    Sparse gradients of embedding tables of up to `dense_limit` rows are converted to dense ones
    where that gives the same weights; with `None`, they stay sparse.
    """
    if tf.distribute.has_strategy() or not _is_of_keras(optimizer):
        holds = filled is None or over_replicas(tf.cast(filled, tf.float32)) > 0.0
        with tf.control_dependencies([assert_in_graph(tf.convert_to_tensor(holds), _EMPTY)]):
            optimizer.minimize(loss, weights, tape=tape)
        return
    gradients = [gradient for gradient, _ in optimizer.compute_gradients(loss, weights, tape)]
    if dense_limit is not None and accepts_dense_and_sparse(optimizer):
        # Measured on two cores with 32 numbers a row: Adam is 1.2 to 1.6 times as fast.
        limit = math.inf if updates_all_rows(optimizer) else dense_limit
        gradients = [
            tf.math.unsorted_segment_sum(gradient.values, gradient.indices, weight.shape[0])
            if isinstance(gradient, tf.IndexedSlices) and weight.shape[0] <= limit
            else gradient
            for gradient, weight in zip(gradients, weights, strict=True)
        ]

    def apply() -> bool:
        # TensorFlow keeps the graph of each aggregation forever: 3.5 MB for each trained model.
        pairs = zip(gradients, weights, strict=True)
        optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)
        return True

    if filled is None:
        apply()
    else:
        tf.cond(filled, apply, lambda: False)


def _is_of_keras(optimizer: Any) -> bool:
    """Whether `minimize` of an optimizer is Keras's own, and not that of a legacy optimizer."""
    if not isinstance(optimizer, _OPTIMIZERS.Optimizer):
        return False
    methods = ("minimize", "compute_gradients", "aggregate_gradients", "apply_gradients")
    parts = (optimizer, getattr(optimizer, "inner_optimizer", optimizer))
    return not any(is_user_code(getattr(part, name)) for part in parts for name in methods)


def updates_all_rows(optimizer: Any) -> bool:
    """Whether an optimizer updates all rows of a table, whichever gradients it gets."""
    return type(optimizer) in _UPDATE_ALL_ROWS


def accepts_dense_and_sparse(optimizer: Any) -> bool:
    """Whether dense and sparse gradients of a table give the same weights."""
    # This is unknown for optimizers that are not Keras's own, and false with clipping, which takes
    # the norm of sparse gradients before repeated rows are summed.
    clips = ("clipnorm", "global_clipnorm", "clipvalue")
    known = type(optimizer) in (*_UPDATE_ALL_ROWS, *_UPDATE_ROWS_OF_THE_BATCH)
    return known and not any(getattr(optimizer, name) for name in clips)


def penalties(model: Any, batch: Any) -> tuple[list[tf.Tensor], Any]:
    """The regularization losses of this replica, and the sum that one replica alone would have.

    Keras divides those of activities by the rows of the replica: they are weighted by these rows.
    Some layers of Keras compute them in half precision.
    """
    given = model.losses
    losses = [tf.cast(each, tf.float32) for each in given]
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return losses, sum(losses)
    again = model.losses  # the regularization losses of weights are recomputed
    of_activities = [any(each is other for other in again) for each in given]
    if not any(of_activities):
        return losses, sum(losses)
    replicas, rows = replica.num_replicas_in_sync, tf.cast(num_rows(batch), tf.float32)
    share = tf.math.divide_no_nan(replicas * rows, over_replicas(rows))
    losses = [
        tf.math.multiply_no_nan(loss, share) if is_weighted else loss
        for loss, is_weighted in zip(losses, of_activities, strict=True)
    ]
    return losses, over_replicas(tf.add_n(losses)) / replicas
