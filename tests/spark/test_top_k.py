import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from rankkit.spark.top_k import Pairs, Rows, rank_in_batches

USERS = [f"u{number}" for number in range(30)]
ITEMS = [f"i{number}" for number in range(20)]
SEEN = {"user_id": ["u1", "u1", "u2", "nobody"], "item_id": ["i1", "i2", "i3", "i4"]}
# Out-of-vocabulary ids have equal scores: they keep the order of the candidates.
CANDIDATES = {"item_id": [*ITEMS, "new", "newer"], "shelf": list(range(22))}


@pytest.fixture
def top_k(spark, export, tmp_path):
    """Ranks the three best candidates for each user, unless arguments are changed."""
    arguments = {"users": {"user_id": USERS}, "candidates": CANDIDATES, "k": 3, "export": export}
    return lambda **change: rk.spark.top_k(**{**arguments, "output": tmp_path / "out", **change})


def assert_ranked_as_in_process(frame, export, users, k, seen):
    exclude = [
        {"item_id": [item for who, item in zip(*seen.values(), strict=True) if who == user]}
        for user in users
    ]
    expected = rk.rank(rk.export.load(export), {"user_id": users}, CANDIDATES, k, exclude)
    found = {}
    for row in sorted(frame.collect(), key=lambda row: (row["user_id"], row["rank"])):
        found.setdefault(row["user_id"], []).append(row)
    assert set(found) == set(users)
    for user, ranking in zip(users, expected, strict=True):
        ours = [{"item_id": row["item_id"], "shelf": row["shelf"]} for row in found[user]]
        assert ours == [candidate for candidate, _ in ranking]
        scores = [row["score"] for row in found[user]]
        np.testing.assert_allclose(scores, [score for _, score in ranking], atol=1e-5)
        assert [row["rank"] for row in found[user]] == list(range(1, len(ranking) + 1))


def partition_times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


def test_users_are_ranked_like_in_process(top_k, export, tmp_path):
    users = [*USERS, "nobody"]
    frame = top_k(users={"user_id": users}, k=21, exclude=SEEN)
    assert_ranked_as_in_process(frame, export, users, 21, SEEN)
    assert frame.columns == ["user_id", "item_id", "shelf", "score", "rank"]
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert len(partition_times(tmp_path / "out")) > 4
    assert pq.read_table(tmp_path / "out").num_rows == frame.count() == 31 * 21 - 1  # u1 has 22 - 2


def test_histories_are_ranked_like_in_process(spark, tmp_path):
    features = {"item_id": rk.layers.IdEmbedding([*"abc"], 4)}
    rk.export.save(rk.models.din(features, max_length=2), tmp_path / "1")
    users = {"user_id": USERS[:3], "history_item_id": [[], ["a"], ["b", "z", "c"]]}
    items = {"item_id": [*"abcz"]}
    frame = rk.spark.top_k(tmp_path / "1", users, items, k=4, output=tmp_path / "out")
    found = {(row["user_id"], row["item_id"]): row["score"] for row in frame.collect()}
    scorer = rk.export.load(tmp_path / "1")
    for user, history in zip(*users.values(), strict=True):
        for item, score in rk.rank(scorer, {"history_item_id": history}, items):
            assert found.pop((user, item)) == pytest.approx(score, abs=1e-5)
    assert not found


def test_resumed_job_writes_only_missing_partitions(top_k, export, tmp_path):
    out = tmp_path / "out"
    top_k()
    before = partition_times(out)
    top_k()
    assert partition_times(out) == before  # no partition was missing
    lost = sorted(before)[::2]
    for name in lost:
        (out / name).unlink()
    (out / "_SUCCESS").unlink()
    (out / ".part-of-a-killed-attempt").touch()
    nothing = {"user_id": [], "item_id": []}
    assert_ranked_as_in_process(top_k(), export, USERS, 3, nothing)
    after = partition_times(out)
    assert {name for name in before if after[name] != before[name]} == set(lost)
    assert not (out / ".part-of-a-killed-attempt").exists()

    reordered = {name: column[::-1] for name, column in CANDIDATES.items()}
    changes = {"k": 6, "users": {"user_id": ["u1"]}, "candidates": reordered}
    for key, value in changes.items():
        message = f"output must be a new .*a job that differs in: {key}. Name another folder"
        with pytest.raises(ValueError, match=message):
            top_k(**{key: value})
    assert json.loads((out / "_job.json").read_text())["k"] == 3


def test_tables_may_be_parquet_spark_and_pandas(top_k, spark, export, tmp_path):
    pq.write_table(pa.table({"user_id": USERS}), tmp_path / "users.parquet")
    tables = {
        "users": tmp_path / "users.parquet",
        "candidates": spark.createDataFrame(pa.table(CANDIDATES)),
        "exclude": pd.DataFrame(SEEN),
    }
    assert_ranked_as_in_process(top_k(**tables, spark=spark), export, USERS, 3, SEEN)


def test_no_users_give_no_rankings(top_k, spark):
    none = spark.createDataFrame(pa.table({"user_id": pa.array([], pa.string())}))
    assert top_k(users=none).collect() == []


def test_error_of_a_worker_is_raised_in_one_line(top_k, tmp_path):
    message = "Column 'user_id' of users must have no nulls. Got: 1 nulls. Drop those rows"
    with pytest.raises(ValueError, match=message):
        top_k(users={"user_id": [*USERS, None]})
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be an integer of at least 1. Got: k=0"),
        ({"users": {"user": USERS}}, ValueError, "Missing feature 'user_id'.*mean 'user'?"),
        ({"users": {"user_id": [1, 2]}}, TypeError,
         "Column 'user_id' of users must be of type string. Got: 'bigint'. Cast it first"),
        ({"users": USERS}, TypeError, "users must be a Spark DataFrame, the path of a Parquet"),
        ({"users": "nowhere"}, ValueError,
         "users must be the path of a Parquet table. Got: users='nowhere'.*PATH_NOT_FOUND"),
        ({"users": {"user_id": ["a", 1]}}, ValueError, r"users\['user_id'\] must be a column of v"),
        ({"candidates": {"item_id": ITEMS, "rank": [0] * 20}}, ValueError,
         "candidates must have no column named 'score' or 'rank' .*Got: column 'rank'. Rename"),
        ({"candidates": {"item_id": ITEMS, "user_id": ITEMS}}, ValueError,
         "Column 'user_id' is given twice: in users and in candidates"),
        ({"exclude": {"user_id": ["u1"], "item": ["i1"]}}, ValueError,
         "Unknown column of exclude 'item'.*mean 'item_id'?"),
        ({"exclude": {"item_id": ["i1"]}}, ValueError,
         "of exclude must be a column of users and a column of candidates. Got: .*'item_id'"),
        ({"exclude": {"user_id": ["u1"], "item_id": [1]}}, TypeError,
         "Column 'item_id' of exclude must be of type string, as .*bigint"),
        ({"spark": "local"}, TypeError, "spark must be a pyspark.sql.SparkSession, or None"),
        ({"export": "nowhere"}, FileNotFoundError, "No folder exists at path='nowhere'"),
        ({"export": Path(__file__).parent}, ValueError, "cannot be read as a SavedModel"),
    ],
)  # fmt: skip
def test_invalid_arguments_raise(top_k, tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        top_k(**change)
    assert not (tmp_path / "out").exists()


def test_folder_with_other_files_is_not_changed(top_k, tmp_path):
    (tmp_path / "notes.txt").touch()
    message = "output must be a new or empty.*which contains 'notes.txt'"
    with pytest.raises(ValueError, match=message):
        top_k(output=tmp_path)


@given(
    table=st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), max_size=5),
    k=st.integers(1, 9),
    excluded=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6))),
    batch_size=st.integers(1, 40),
)
def test_ranking_does_not_depend_on_the_batch_size(table, k, excluded, batch_size):
    """A batch has several users, or some of the candidates of one."""
    scores = np.array(table, np.float32).reshape(-1, 7)
    excluded = sorted(pair for pair in excluded if pair[0] < len(scores))

    def scorer(columns):
        return scores[np.asarray(columns["user"]), np.asarray(columns["item"])]

    pairs, found = rank_in_batches(
        scorer,
        Rows({"user": tf.range(len(scores))}, len(scores)),
        Rows({"item": tf.range(7)}, 7),
        k,
        Pairs(*np.array(excluded, int).reshape(-1, 2).T),
        batch_size,
    )
    for user, own in enumerate(scores):
        remaining = [item for item in range(7) if (user, item) not in excluded]
        expected = sorted(remaining, key=lambda item: -own[item])[:k]  # Python's sort is stable
        assert pairs.candidates[pairs.users == user].tolist() == expected
        assert found[pairs.users == user].tolist() == own[expected].tolist()
