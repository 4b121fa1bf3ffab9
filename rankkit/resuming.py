"""Where an interrupted training stopped."""

import os

import tensorflow as tf


def completed_epochs(backup_dir: str | os.PathLike[str]) -> int:
    """Counts the whole epochs in a folder of `tf.keras.callbacks.BackupAndRestore`.

    `fit` with that callback goes on after these epochs by itself. Give the number to
    `rankkit.data.batches` as `initial_epoch`, and the rows come in the order that they would have
    come in without the interruption.

    Args:
        backup_dir: The callback's `backup_dir`, which need not exist yet. The callback must keep
            whole epochs, `save_freq="epoch"`, as it does by default.

    Returns:
        The number of epochs, 0 without a backup.

    Example:
        >>> import rankkit as rk
        >>> rk.completed_epochs("nothing/here/yet")
        0
    """
    checkpoint = tf.train.latest_checkpoint(os.path.join(backup_dir, "chief"))
    if checkpoint is None:
        return 0
    last = tf.train.load_variable(checkpoint, "ckpt_saved_epoch/.ATTRIBUTES/VARIABLE_VALUE")
    return int(last) + 1
