"""Callbacks: averaged weights, and the epochs completed by an interrupted run."""

import math
import os
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import check_integer, check_number, check_path


class WeightAveraging(tf.keras.callbacks.Callback):
    """Averages the trainable weights over training steps, for validation, saving and the end.

    Training steps continue from the weights of the last step. Between epochs (in validation and for
    other callbacks) and after training the model has the averaged weights, which are less noisy:
    validation curves become smooth, and selecting the best epoch is more reliable. Put the callback
    first in the list, so that the others see the averaged weights. With
    `tf.keras.callbacks.BackupAndRestore` both sets of weights are saved, and an interrupted
    training resumes with the same result.

    Args:
        momentum: Momentum of the exponential moving average (EMA), which covers about
            `1 / (1 - momentum)` steps and is corrected for the bias at its start. `None` takes the
            plain mean of all steps, stochastic weight averaging (SWA). Defaults to `0.99`.
        start_epoch: Epochs before averaging starts. Defaults to `0`.
        update_freq: Maximum number of training steps between two updates of the mean. More steps
            per execution make small steps faster. Defaults to `1`.

    Raises:
        ValueError: If the momentum is not in (0, 1), or another argument is not allowed.

    References:
        Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992;
        Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018;
        the correction is that of Kingma and Ba, "Adam", 2015.

    Example:
        >>> import rankkit as rk
        >>> averaging = rk.WeightAveraging(0.9)
        >>> model = rk.RankingModel(
        ...     rk.ranking_network(
        ...         {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)},
        ...         head=rk.layers.DenseRatingHead([16]),
        ...     ),
        ...     label="rating",
        ... )
        >>> model.compile("adam")
        >>> rows = rk.data.batches({"user_id": ["7", "42"], "rating": [3.0, 5.0]}, 2)
        >>> history = model.fit(rows, epochs=3, callbacks=[averaging], verbose=0)
    """

    def __init__(
        self, momentum: float | None = 0.99, *, start_epoch: int = 0, update_freq: int = 1
    ):
        super().__init__()
        if momentum is not None:
            expected = "between 0 and 1, or None for the plain mean"
            momentum = check_number("momentum", momentum, expected, above=0, below=1)
        self.momentum = momentum
        self.start_epoch = check_integer("start_epoch", start_epoch, 0)
        self.update_freq = check_integer("update_freq", update_freq)
        self.max_steps_per_execution = self.update_freq

    def on_train_begin(self, logs: Any = None) -> None:
        weights = self.model.trainable_variables
        with self.model.distribute_strategy.scope():
            self._others = [
                tf.Variable(tf.zeros_like(each), trainable=False, name="mean") for each in weights
            ]
            self._weight = tf.Variable(0.0, trainable=False)  # of all steps in the mean
            self._swapped = tf.Variable(False, trainable=False)
        # Part of the checkpoints of the model, but of no saved file.
        self.model.weight_averaging = tf.train.Checkpoint(
            others=self._others, weight=self._weight, swapped=self._swapped
        )
        # Once per training: another model has other variables.
        self._update = tf.function(self._update_mean)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._averages = epoch >= self.start_epoch
        self._steps = 0
        if self._swapped.numpy():
            self._exchange()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        steps, self._steps = batch + 1 - self._steps, batch + 1  # an execution has several
        if self._averages:
            self._update(tf.constant(float(steps)))

    def on_test_begin(self, logs: Any = None) -> None:
        self._take_mean()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._take_mean()

    def on_train_end(self, logs: Any = None) -> None:
        del self.model.weight_averaging

    def _take_mean(self) -> None:
        if self._averages and not self._swapped.numpy():
            self._exchange()

    def _update_mean(self, steps: tf.Tensor) -> None:
        if self.momentum is None:
            new = steps
            self._weight.assign_add(new)
        else:
            new = -tf.math.expm1(steps * math.log(self.momentum))  # 1 - momentum**steps
            self._weight.assign((1.0 - new) * self._weight + new)
        for mean, now in zip(self._others, self.model.trainable_variables, strict=True):
            share = tf.cast(new / self._weight, now.dtype)
            mean.assign_add(share * (now - mean))

    def _exchange(self) -> None:
        for other, now in zip(self._others, self.model.trainable_variables, strict=True):
            kept = tf.identity(now)
            now.assign(other)
            other.assign(kept)
        self._swapped.assign(tf.logical_not(self._swapped))


def completed_epochs(backup_dir: str | os.PathLike[str]) -> int:
    """Counts the completed epochs in the folder of `tf.keras.callbacks.BackupAndRestore`.

    `fit` with that callback resumes after these epochs. Pass the number to `rankkit.data.batches`
    as `initial_epoch`, and the shuffle order continues as without the interruption.

    Args:
        backup_dir: The `backup_dir` of the callback, which need not exist yet. The callback must
            save after whole epochs, `save_freq="epoch"`, which is its default.

    Returns:
        The number of completed epochs; 0 without a backup.

    Raises:
        ValueError: If the backup is damaged, or names checkpoints of another folder.

    Example:
        >>> import rankkit as rk
        >>> rk.completed_epochs("nothing/here/yet")
        0
    """
    folder = os.path.join(check_path("backup_dir", backup_dir), "chief")
    try:
        checkpoint = tf.train.latest_checkpoint(folder)
        if checkpoint is None:
            if os.path.exists(os.path.join(folder, "checkpoint")):
                raise ValueError("its last checkpoint is damaged or missing")
            return 0
        for path in tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths:
            if os.path.realpath(os.path.dirname(path)) != os.path.realpath(folder):
                raise ValueError(f"its file 'checkpoint' names {path!r}, in another folder")
        reader = tf.train.load_checkpoint(checkpoint)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)  # raises if its checksum is wrong
        last = reader.get_tensor("ckpt_saved_epoch/.ATTRIBUTES/VARIABLE_VALUE")
    except (ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"backup_dir={str(backup_dir)!r} cannot be read as a backup of BackupAndRestore: "
            f"{reason}. Delete the folder to train from the start, or restore it."
        ) from None
    return int(last) + 1
