import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from rankkit.core.arrays import as_array
from rankkit.core.columns import as_list
from rankkit.core.features import as_feature
from rankkit.core.timestamps import as_seconds

# One second before 1970 with a fraction, and 2020-01-02 03:04:05 UTC, as `date -d ... +%s` shows.
SECONDS = [-1, 1_577_934_245]
TEXTS = ["1969-12-31T23:59:59.5", "2020-01-02T03:04:05.9"]
TIMES = [datetime.datetime.fromisoformat(f"{text}00000+00:00") for text in TEXTS]
BERLIN = pd.Series(pd.to_datetime(TEXTS, utc=True)).dt.tz_convert("Europe/Berlin")

COLUMNS = {
    **{f"numpy {unit}": np.array(TEXTS, f"datetime64[{unit}]") for unit in ("ms", "us", "ns")},
    "pandas": pd.Series(pd.to_datetime(TEXTS)),
    "pandas with zone": BERLIN,
    "pandas ns": BERLIN.dt.as_unit("ns"),
    "pandas objects": BERLIN.astype(object),
    "pandas of arrow": BERLIN.astype(pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin"))),
    "arrow": pa.chunked_array([pa.array(BERLIN)]),
    "arrow ms": pa.array(TIMES, pa.timestamp("ms", "UTC")),
    "datetimes": TIMES,
    "naive datetimes": [time.replace(tzinfo=None) for time in TIMES],
    "another zone": [TIMES[0].astimezone(datetime.timezone(datetime.timedelta(hours=5))), TIMES[1]],
    "datetime64 cells": list(np.array(TEXTS, "datetime64[ms]")),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_times_of_all_kinds_are_seconds(name):
    column = COLUMNS[name]
    assert as_seconds("when", as_array(column)).tolist() == SECONDS
    assert as_list(column) == SECONDS
    feature = as_feature("when", as_array(column), tf.TensorSpec((None,), tf.int64))
    assert feature.numpy().tolist() == SECONDS


def test_days_are_midnight_in_utc():
    days = [datetime.date(1970, 1, 3)]
    for column in (days, np.array(days, "datetime64[D]"), pa.array(days)):
        assert as_seconds("when", as_array(column)).tolist() == [2 * 86_400]


def test_other_columns_stay_as_they_are():
    for column in (np.array(["a"], object), np.array([1.5]), np.array([None, 3], object)):
        assert as_seconds("when", column) is column


def test_missing_times_are_counted():
    for absent in (np.datetime64("NaT"), pd.NaT, None):
        column = as_array([TIMES[0].replace(tzinfo=None), absent, absent])
        with pytest.raises(ValueError, match=r"^when must have .* Got: 2 of 3 rows .*Drop those"):
            as_seconds("when", column)
