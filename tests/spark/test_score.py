import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.spark._tables import table_features

ROWS = {
    "user_id": [f"u{number % 31}" for number in range(400)],
    "item_id": [f"i{number % 23}" for number in range(400)],
    "position": list(range(400)),
}


@pytest.fixture
def pairs(tmp_path):
    """The rows as a Parquet table of four files."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for number in range(4):
        pq.write_table(pa.table(ROWS).slice(number * 100, 100), folder / f"{number}.parquet")
    return folder


def assert_scored(frame, export):
    table = frame.toArrow().sort_by("position")
    assert table.column_names == ["user_id", "item_id", "position", "score"]
    assert table.drop(["score"]).to_pydict() == ROWS
    features = {name: ROWS[name] for name in ("user_id", "item_id")}
    expected = rk.export.load(export)(features)[:, 0]
    np.testing.assert_allclose(table["score"].to_numpy(), expected, atol=1e-5)


def partition_times(folder):
    return {path: path.stat().st_mtime_ns for path in sorted(folder.glob("part-*.parquet"))}


def test_rows_are_scored_like_in_process(spark, export, tmp_path):
    assert_scored(rk.spark.score(export, ROWS, output=tmp_path / "out"), export)
    assert (tmp_path / "out" / "_SUCCESS").exists()


def test_resumed_job_writes_only_missing_partitions_and_refuses_another_job(
    spark, export, tmp_path, pairs
):
    out = tmp_path / "out"
    table = spark.read.parquet(str(pairs)).repartition(6, "position")
    rk.spark.score(export, table, output=out)
    before = partition_times(out)
    assert len(before) == 6  # as the table has them
    for path in list(before)[:4]:
        path.unlink()
    (out / "_SUCCESS").unlink()
    assert_scored(rk.spark.score(export, table, output=out), export)
    is_kept = [partition_times(out)[path] == time for path, time in before.items()]
    assert is_kept == [False] * 4 + [True] * 2

    (out / "_SUCCESS").unlink()
    with pytest.raises(ValueError, match="a job that differs in: columns. Name another folder"):
        rk.spark.score(export, table.withColumnRenamed("position", "where"), output=out)
    layers = {name: rk.layers.IdEmbedding(["u1"], 2) for name in ("user_id", "item_id")}
    other = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([]))
    rk.export.save(other, tmp_path / "2")
    with pytest.raises(ValueError, match="a job that differs in: model. Name another folder"):
        rk.spark.score(tmp_path / "2", table, output=out)
    for path in list(partition_times(out))[:5]:
        path.unlink()
    with pytest.raises(ValueError, match="other rows than in partition 5 of output"):
        rk.spark.score(export, table.repartition(4, "position"), output=out)  # has no partition 5
    with pytest.raises(ValueError, match="pairs must have the same rows in each partition"):
        rk.spark.score(export, table.where("position % 6 < 3"), output=out)


def test_table_with_one_partition_is_repartitioned(spark, export, tmp_path, pairs):
    one = spark.read.parquet(str(pairs)).coalesce(1)
    assert_scored(rk.spark.score(export, one, output=tmp_path / "out"), export)
    assert len(partition_times(tmp_path / "out")) > spark.sparkContext.defaultParallelism


def test_features_of_lists_and_numbers_are_scored(spark, tmp_path):
    rows = {"tags": [["a", "b"], [], ["c"]] * 2, "year": [1970, 1994, 2001, 1970, 1980, 1990]}
    tags = rk.layers.TagsEmbedding(["a", "b"], 3)
    rows |= {"item_id": [*"abcabc"], "history": [["a"], [], ["b", "z", "a"]] * 2}
    next_item = rk.layers.TargetAttention(rk.layers.IdEmbedding([*"abc"], 3), max_length=2)
    features = {
        "tags": tags,
        "year": rk.layers.NormalizedNumber(1985.0, 100.0),
        "next": (("history", "item_id"), next_item),
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    rk.export.save(network, tmp_path / "1")
    table = spark.createDataFrame(pa.table(rows))
    scored = rk.spark.score(tmp_path / "1", table, output=tmp_path / "out").toArrow()
    expected = rk.export.load(tmp_path / "1")({**scored.to_pydict()})
    np.testing.assert_allclose(scored["score"].to_numpy(), expected[:, 0], atol=1e-5)
    assert scored.num_rows == 6
    one = {name: column[:1] for name, column in rows.items()}
    nulls = spark.createDataFrame(pa.table({**one, "tags": [["a", None]]}))
    with pytest.raises(ValueError, match="Column 'tags' of pairs must have no nulls"):
        rk.spark.score(tmp_path / "1", nulls, output=tmp_path / "other")
    for column, expected in {"tags": "array<string>", "year": "double"}.items():
        wrong = {**rows, column: ["a"] * 6}
        message = f"Column '{column}' of pairs must be of type {expected}. Got: 'string'"
        with pytest.raises(TypeError, match=message):
            rk.spark.score(tmp_path / "1", wrong, output=tmp_path / "other")


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ({"user_id": ["u1"], "item": ["i1"]}, ValueError, "Missing feature 'item_id'.*mean 'item'"),
        ({"user_id": [1], "item_id": ["i1"]}, TypeError, "Column 'user_id' of pairs must be of"),
        ({"user_id": ["u1"], "item_id": [None]}, TypeError, "Column 'item_id' of pairs must be of"),
        ({"user_id": ["u1"], "item_id": ["i1"], "score": [1.0]}, ValueError,
         "pairs must have no column named .*Got: column 'score'. Rename it"),
        ({"user_id": ["u1"], "item_id": ["i1", "i2"]}, ValueError, "columns of equal length"),
    ],
)  # fmt: skip
def test_invalid_rows_raise(spark, export, tmp_path, rows, error, message):
    with pytest.raises(error, match=message):
        rk.spark.score(export, rows, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


TIMES = np.array(  # the first two are in the second before 1970 and before an hour
    ["1969-12-31T23:59:59.9", "1969-12-31T22:59:59.999999999", "2026-07-01T05:30:00"],
    "datetime64[ns]",
)


def test_times_are_scored_like_in_process_whatever_the_time_zone_of_the_session(spark, tmp_path):
    features = {"time": rk.layers.CalendarEmbedding("hour_of_day", 3)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    rk.export.save(network, tmp_path / "1")
    scorer = rk.export.load(tmp_path / "1")
    in_tokyo = pd.DatetimeIndex(TIMES).tz_localize("UTC").tz_convert("Asia/Tokyo")
    text = spark.createDataFrame(pa.table({"text": np.datetime_as_string(TIMES).tolist()}))
    dates = [datetime.date(1969, 12, 31), datetime.date(2026, 7, 1)]
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    try:
        tables = {
            "timestamp": ({"time": TIMES}, TIMES),
            "pandas": (pd.DataFrame({"time": in_tokyo}), TIMES),
            "ntz": (text.selectExpr("to_timestamp_ntz(text) AS time"), TIMES),
            "date": ({"time": dates}, dates),
        }
        for name, (table, times) in tables.items():
            scored = rk.spark.score(tmp_path / "1", table, output=tmp_path / name).toArrow()
            found = np.sort(scored["score"].to_numpy())
            np.testing.assert_allclose(found, np.sort(scorer({"time": times})[:, 0]), atol=1e-6)
            top = rk.spark.top_k(  # the first candidate is excluded
                tmp_path / "1", {"user": ["u"]}, table, k=3, output=tmp_path / f"{name}-top",
                exclude=spark.createDataFrame(scored.select(["time"]).slice(0, 1)).selectExpr(
                    "'u' AS user", "time"
                ),
            ).toArrow()  # fmt: skip
            assert top["time"].to_pylist() == [
                row["time"] for row in sorted(scored.to_pylist()[1:], key=lambda row: -row["score"])
            ]
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_columns_are_refused_with_a_cast_that_works(spark, tmp_path):
    layer = rk.layers.NormalizedNumber(0.0, 1.0, missing="learn")
    network = rk.ranking_network({"price": layer}, head=rk.layers.DenseRatingHead([4]))
    rk.export.save(network, tmp_path / "1")
    decimals = {"price": [Decimal("1.5")]}
    message = r"price' of pairs must be of type double. Got: 'decimal\(2,1\)'. Cast it first: price"
    with pytest.raises(TypeError, match=message):
        rk.spark.score(tmp_path / "1", decimals, output=tmp_path / "out")
    with pytest.raises(TypeError, match="Got: 'void'. All its values are null: fill in values"):
        rk.spark.score(tmp_path / "1", {"price": [None]}, output=tmp_path / "out")
    table = spark.createDataFrame(pa.table({"price": [1, None]}))
    message = r"must have no nulls. Got: 1 nulls.*or by NaN for a layer with missing='learn'"
    with pytest.raises(ValueError, match=message):
        rk.spark.score(tmp_path / "1", table, output=tmp_path / "nulls")
    table = table.selectExpr("coalesce(price, double('NaN')) AS price")
    assert rk.spark.score(tmp_path / "1", table, output=tmp_path / "nan").count() == 2
    table = table.selectExpr("price + 16777216 AS price")
    message = (
        r"price' of pairs must not have numbers beyond 2.24.* 16777217.0.*price.cast\('float'\)"
    )
    with pytest.raises(ValueError, match=message):
        rk.spark.score(tmp_path / "1", table, output=tmp_path / "large")
    table = table.withColumn("price", table.price.cast("float"))
    assert rk.spark.score(tmp_path / "1", table, output=tmp_path / "cast").count() == 2


def test_text_that_is_not_utf8_is_named():
    text = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xffa")]
    )
    for column in (text, pa.ListArray.from_arrays([0, 1], text)):
        spec = tf.TensorSpec([None] if column is text else [None, None], tf.string)
        with pytest.raises(ValueError, match=r"Each string in column 'id' of pairs must be valid"):
            table_features("pairs", pa.table({"id": column}), {"id": spec})
