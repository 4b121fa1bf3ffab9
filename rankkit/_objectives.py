"""The objectives of all heads of a model, weighed against each other, and what `fit` reports."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._batch import Batch, check_sizes, labelled, take_apart
from rankkit._errors import invalid
from rankkit._head_settings import HeadSettings
from rankkit._heads import SCORE
from rankkit._loss_weights import checked_weights, of_head
from rankkit._objective import Objective
from rankkit._sum_of_metrics import SumOfMetrics
from rankkit._task import over_replicas


class Objectives:
    """One `Objective` a head, and the loss that they come to.

    Args:
        heads: What the model says of its heads.
        settings: `loss`, `metrics` and `weighted_metrics`, as of `RankingModel.compile`.
        loss_weights: Name of the head to weight of its loss; `"uncertainty"` for weights that are
            learned; `None` for 1 each.
        make_log_variances: Makes the variable of learned weights, `(heads,)`.

    Raises:
        ValueError: If two metrics have the same name, a head is unknown, or a weight negative or
            all of them 0.
        TypeError: If something is of the wrong kind.
    """

    def __init__(
        self,
        heads: HeadSettings,
        settings: Mapping[str, Any],
        *,
        loss_weights: Any,
        make_log_variances: Callable[[int], tf.Variable],
    ):
        self._columns = {head: (label, heads.weights[head]) for head, label in heads.labels.items()}
        self._outputs = heads.outputs
        self.heads = {
            head: _objective(head, heads.outputs[head], heads.layers[head], heads.labels, settings)
            for head in heads.labels
        }
        for head in heads.biases:
            if (reads := self.heads[head].reads) != SCORE:
                fix = "Take a loss of the score, or leave the bias out."
                raise invalid("loss", reads, "of the score, to which training_bias is added", fix)
        self._weights = checked_weights(loss_weights, self.heads)
        learned = isinstance(loss_weights, str)
        self._log_variances = make_log_variances(len(self.heads)) if learned else None
        alone = None in self.heads
        means = [objective.mean_loss for objective in self.heads.values()]
        self._regularization = tf.keras.metrics.Mean("regularization_loss")
        total = SumOfMetrics(
            "total_loss", lambda: self._sum_of(means) + self._regularization.result()
        )
        reported = means if alone else [SumOfMetrics("loss", lambda: self._sum_of(means))]
        self.metrics = [*reported, self._regularization, total]
        for objective in self.heads.values():
            self.metrics += ([] if alone else [objective.mean_loss]) + objective.metrics
        if self._log_variances is not None:
            self.metrics += [
                SumOfMetrics(f"{head}_weight", lambda place=place: self._weight(place))
                for place, head in enumerate(self.heads)
            ]
        for metric in self.metrics:
            # What an epoch has come to is no part of a file, nor could a strategy load it.
            for method in ("save_own_variables", "load_own_variables"):
                setattr(metric, method, _no_state)
        names = [metric.name for metric in self.metrics]
        for name in names:
            if names.count(name) > 1:
                fix = "Name one of them otherwise, such as RootMeanSquaredError(name='weighted')."
                raise invalid("name of a metric", name, "unlike that of any other", fix)

    def take_apart(self, inputs: Any, features: Iterable[str]) -> dict[Any, Batch]:
        """Splits what Keras hands to a step.

        Args:
            inputs: What `RankingModel` is trained on.
            features: Names of the features.

        Returns:
            Head to a batch with its labels; the features are in the first of them.
        """
        lists = any(objective.ranks_lists for objective in self.heads.values())
        batches = {}
        for head, (label, weight) in self._columns.items():
            of_batch = () if batches else features  # of lists, they have to be gathered
            batches[head] = take_apart(
                inputs, label, weight, of_batch, lists=lists, partly=head is not None
            )
        return batches

    def check(self, columns: Mapping[str, Any]) -> None:
        """Refuses labels and weights of rows, ahead of steps that cannot.

        Raises:
            tf.errors.InvalidArgumentError: If one of them is not what it has to be.
            ValueError: If a column is missing.
            TypeError: If one is of the wrong kind.
        """
        for head, batch in self.take_apart(columns, ()).items():
            of_head = batch if head is None else labelled(batch, lists=False)[0]
            self.heads[head].checked(of_head.labels)

    def update(
        self, batches: Mapping[Any, Batch], outputs: Mapping[str, tf.Tensor], regularization: Any
    ) -> tf.Tensor:
        """Updates the metrics, and gives this replica's part of the loss.

        Args:
            batches: From `take_apart`.
            outputs: Of the network, by name.
            regularization: Scalar.

        Returns:
            Scalar: the mean of each head's losses over the examples of all replicas, weighted.
        """
        # Of half precision, where that is set.
        outputs = {name: tf.cast(output, tf.float32) for name, output in outputs.items()}
        parts, labelled_heads = [], []
        for head, objective in self.heads.items():
            batch = batches[head]
            given = {name: outputs[key] for name, key in self._outputs[head].items()}
            check_sizes(batch, given[SCORE])
            if head is not None:
                size = tf.shape(given[SCORE] if batch.places is None else batch.labels)[0]
                batch, rows = labelled(batch, lists=objective.ranks_lists)
                objective.notices.count_rows(size, tf.shape(batch.labels)[0])
                given = {name: tf.gather(output, rows) for name, output in given.items()}
            losses = objective.update(batch, given)
            count = over_replicas(tf.cast(tf.size(losses), losses.dtype))
            parts.append(tf.math.divide_no_nan(tf.reduce_sum(losses), count))
            labelled_heads.append(tf.cast(count > 0.0, tf.float32))
        examples = tf.shape(outputs[SCORE])[0]
        self._regularization.update_state(tf.fill([examples], tf.cast(regularization, tf.float32)))
        if self._log_variances is None:
            return tf.add_n([w * part for w, part in zip(self._weights, parts, strict=True)])
        # Each replica adds its share of what does not depend on its rows.
        replicas = over_replicas(tf.ones(()))
        loss = tf.add_n([self._weight(place) * part for place, part in enumerate(parts)])
        return loss + tf.reduce_sum(labelled_heads * self._log_variances) / replicas

    @property
    def has_own_code(self) -> bool:
        """Whether a loss or a metric is the user's, not one of a library's."""
        return any(objective.has_own_code for objective in self.heads.values())

    @property
    def learns_weights(self) -> bool:
        """Whether the losses are weighted by what is learned."""
        return self._log_variances is not None

    def _weight(self, place: int) -> tf.Tensor:
        assert self._log_variances is not None
        return tf.exp(-self._log_variances[place])

    def _sum_of(self, means: list[tf.keras.metrics.Metric]) -> tf.Tensor:
        results = [mean.result() for mean in means]
        if self._log_variances is None:
            return tf.add_n([w * each for w, each in zip(self._weights, results, strict=True)])
        weighted = [self._weight(place) * each for place, each in enumerate(results)]
        labelled_heads = [tf.cast(mean.count > 0.0, tf.float32) for mean in means]
        return tf.add_n(weighted) + tf.reduce_sum(labelled_heads * self._log_variances)

    def tell(self) -> None:
        """Says what of an epoch's rows has taught nothing."""
        notices = [objective.notices for objective in self.heads.values()]
        for each, counted in [(each, each.take()) for each in notices]:
            each.tell(counted)


def _objective(
    head: Any,
    outputs: Iterable[str],
    layer: tf.keras.layers.Layer,
    labels: Mapping[Any, str],
    settings: Mapping[str, Any],
) -> Objective:
    """Makes the objective of a head, whose name is in what is said of its settings."""
    own = [of_head(name, value, head, labels) for name, value in settings.items()]
    try:
        return Objective(*own, outputs=outputs, layer=layer, head=head)
    except (ValueError, TypeError) as error:
        if head is None:
            raise
        raise type(error)(f"Head {head!r}: {error}") from None


def _no_state(store: Any) -> None:
    pass
