"""A part of a timestamp, such as the hour of the day, as a trained vector."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import invalid, unknown

_DAY = 86_400
# Part to its number of values.
_PARTS = {"hour_of_day": 24, "day_of_week": 7, "day_of_month": 31, "month": 12}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CalendarEmbedding(EmbeddingLayer):
    """Gives the embedding trained for a part of the calendar that a timestamp falls into.

    For what recurs. What only goes on, such as a trend, is for `rankkit.layers.BucketEmbedding`.

    Args:
        part: `"hour_of_day"` (0 to 23), `"day_of_week"` (0 to 6, Monday first), `"day_of_month"`
            (0 to 30) or `"month"` (0 to 11), of the Gregorian calendar.
        embedding_dim: Width of the vectors, at least 1.
        utc_offset: Hours that the local time is ahead of UTC, such as -5. Defaults to `0`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        `(batch,)` of `tf.int64`, seconds since 1970-01-01 00:00 UTC.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If the part is unknown or the offset above a day.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.CalendarEmbedding("hour_of_day", 4)
        >>> layer.encode(tf.constant([0, 7200])).numpy().tolist()
        [0, 2]
    """

    def __init__(self, part: str, embedding_dim: int, *, utc_offset: float = 0, **kwargs: Any):
        if part not in _PARTS:
            raise unknown("part", part, _PARTS)
        if not -24 <= utc_offset <= 24:
            raise invalid("utc_offset", utc_offset, "hours between -24 and 24")
        super().__init__(_PARTS[part], embedding_dim, **kwargs)
        self.part = part
        self.utc_offset = utc_offset

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of seconds since 1970."""
        return tf.TensorSpec((None,), tf.int64)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with, over all of a year."""
        return np.linspace(0, 365 * _DAY - 1, count, dtype=np.int64).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the number of the part, `tf.int32`."""
        seconds = tf.cast(inputs, tf.int64) + round(self.utc_offset * 3600)
        of_day = tf.math.floormod(seconds, _DAY)
        if self.part == "hour_of_day":
            return tf.cast(of_day, tf.int32) // 3600
        # TensorFlow Lite has no division of 64 bits. Whole days survive one of 32-bit floats.
        days = tf.cast(tf.round(tf.cast(seconds - of_day, tf.float32) / _DAY), tf.int32)
        if self.part == "day_of_week":
            return (days + 3) % 7  # the first day was a Thursday
        return _month_and_day(days)[self.part == "day_of_month"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "part": self.part, "utc_offset": self.utc_offset}


def _month_and_day(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives month and day, both from 0, of days since 1970-01-01.

    Counted in years that begin in March, a leap day is the last of its year, and the months before
    it have lengths that repeat every five: 153 days.
    """
    days += 719_468  # since 0000-03-01
    of_era = days % 146_097  # 400 years
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153  # from March
    return (month + 2) % 12, of_year - (153 * month + 2) // 5
