"""Embedding of a part of a timestamp, such as the hour of the day."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.timestamps import check_unit
from rankkit.layers._numeric import as_numbers
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_choice, check_number

_DAY = 86_400
_NUM_VALUES = {"hour_of_day": 24, "day_of_week": 7, "day_of_month": 31, "month": 12}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CalendarEmbedding(EmbeddingLayer):
    """Embeds a part of a timestamp, such as its hour of the day, to model a seasonal effect.

    For a trend, which does not recur, use `rankkit.layers.BucketEmbedding`.

    Args:
        part: `"hour_of_day"` (0 to 23), `"day_of_week"` (0 to 6, Monday first), `"day_of_month"`
            (0 to 30) or `"month"` (0 to 11), of the Gregorian calendar.
        embedding_dim: Dimension of the vectors, at least 1.
        utc_offset: Hours that local time is ahead of UTC, such as -5. Defaults to `0`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        `(batch,)` of `tf.int64`, seconds since 1970-01-01 00:00 UTC.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If `part` is unknown or `utc_offset` is not between -24 and 24.
        tf.errors.InvalidArgumentError: If a timestamp is beyond 10^11, such as milliseconds.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.CalendarEmbedding("hour_of_day", 4)
        >>> layer.encode(tf.constant([0, 7200])).numpy().tolist()
        [0, 2]
    """

    in_seconds = True  # as `TimeSinceEmbedding` may read them

    def __init__(self, part: str, embedding_dim: int, *, utc_offset: float = 0, **kwargs: Any):
        check_choice("part", part, _NUM_VALUES)
        expected = "hours between -24 and 24"
        utc_offset = check_number("utc_offset", utc_offset, expected, least=-24, most=24)
        super().__init__(_NUM_VALUES[part], embedding_dim, **kwargs)
        self.part = part
        self.utc_offset = utc_offset
        self._spec = tf.TensorSpec((None,), tf.int64)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, spread over a year."""
        return np.linspace(0, 365 * _DAY - 1, count, dtype=np.int64).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Computes the part of each timestamp, `tf.int32`, starting from 0."""
        name = f"The input of layer {self.name!r}"
        seconds = check_unit(name, as_numbers(inputs, tf.int64, self.name))
        seconds += round(self.utc_offset * 3600)
        second_of_day = tf.math.floormod(seconds, _DAY)
        if self.part == "hour_of_day":
            return tf.cast(second_of_day, tf.int32) // 3600
        # TensorFlow Lite cannot divide 64-bit integers. The division of whole days is exact in
        # 32-bit floating point after rounding.
        midnight = tf.cast(seconds - second_of_day, tf.float32)
        days = tf.cast(tf.round(midnight / _DAY), tf.int32)
        if self.part == "day_of_week":
            return (days + 3) % 7  # 1970-01-01 was a Thursday
        return _month_and_day(days)[self.part == "day_of_month"]


def _month_and_day(days: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Month and day of the month, both starting from 0, of days since 1970-01-01."""
    # Years are counted from March, so that a leap day is the last day of its year and the lengths
    # of the months before it repeat every five months, 153 days.
    days += 719_468  # since 0000-03-01
    day_of_era = days % 146_097  # 400 years
    leap_days = day_of_era // 1460 - day_of_era // 36_524 + day_of_era // 146_096
    year = (day_of_era - leap_days) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153  # since March
    return (month + 2) % 12, day_of_year - (153 * month + 2) // 5
