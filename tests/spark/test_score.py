import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk

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
    features = {"tags": tags, "year": rk.layers.NormalizedNumber(1985.0, 100.0)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    rk.export.save(network, tmp_path / "1")
    table = spark.createDataFrame(pa.table(rows))
    scored = rk.spark.score(tmp_path / "1", table, output=tmp_path / "out").toArrow()
    expected = rk.export.load(tmp_path / "1")({**scored.to_pydict()})
    np.testing.assert_allclose(scored["score"].to_numpy(), expected[:, 0], atol=1e-5)
    assert scored.num_rows == 6
    nulls = spark.createDataFrame(pa.table({"tags": [["a", None]], "year": [1.0]}))
    with pytest.raises(ValueError, match="Column 'tags' of pairs must have no nulls"):
        rk.spark.score(tmp_path / "1", nulls, output=tmp_path / "other")
    for column, expected in {"tags": "array<string>", "year": "float"}.items():
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
