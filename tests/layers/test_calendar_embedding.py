import datetime

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


@pytest.mark.parametrize("utc_offset", [0, 5.5, -8])
def test_calendar_equals_that_of_python(utc_offset):
    rng = np.random.default_rng(1)
    seconds = [*rng.integers(-(2**33), 2**33, 300).tolist(), 0, -1, 951_782_400, 951_868_800]
    zone = datetime.timezone(datetime.timedelta(hours=utc_offset))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    dates = [(epoch + datetime.timedelta(seconds=each)).astimezone(zone) for each in seconds]
    expected = {
        "hour_of_day": [date.hour for date in dates],
        "day_of_week": [date.weekday() for date in dates],
        "day_of_month": [date.day - 1 for date in dates],
        "month": [date.month - 1 for date in dates],
    }
    for part, values in expected.items():
        layer = rk.layers.CalendarEmbedding(part, 2, utc_offset=utc_offset)
        assert layer.encode(tf.constant(seconds)).numpy().tolist() == values, part


@pytest.mark.parametrize(("factor", "unit"), [(1, "ms"), (10**3, "us"), (10**6, "ns")])
def test_milliseconds_are_refused(factor, unit):
    stamps = [0, 1_577_934_245_000 * factor]  # 2020-01-02
    text = rf"layer 'hour' must be in seconds .* Got: \[?{stamps[1]}\]?\. Divide milliseconds by"
    layer = rk.layers.CalendarEmbedding("hour_of_day", 2, name="hour")
    with pytest.raises(ValueError, match=text):
        rk.layers.Attribute(["a", "b"], stamps, layer, default=0)
    network = rk.ranking_network({"when": layer}, head=rk.layers.DenseRatingHead([]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adam")
    rows = {"when": stamps, "rating": [1.0, 2.0]}
    for batches in (rk.data.batches(rows, 2), tf.data.Dataset.from_tensors(rows)):
        with pytest.raises(ValueError, match=text):
            model.fit(batches, verbose=0)
    rows["when"] = np.array(stamps, f"datetime64[{unit}]")
    model.fit(rk.data.batches(rows, 2), verbose=0)
