import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
from rankkit.spark import top_k as top_k_module
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from rankkit.spark.top_k import Pairs, Side, best_candidates

USERS = [f"u{number}" for number in range(30)]
ITEMS = [f"i{number}" for number in range(20)]
SEEN = {"user_id": ["u1", "u1", "u2", "nobody"], "item_id": ["i1", "i2", "i3", "i4"]}
# Ids that are not known have equal scores: their order is that of the candidates.
CANDIDATES = {"item_id": [*ITEMS, "new", "newer"], "shelf": list(range(22))}


def rankings(frame):
    """User to what was ranked, best first."""
    found = {}
    for row in sorted(frame.collect(), key=lambda row: (row["user_id"], row["rank"])):
        found.setdefault(row["user_id"], []).append(row)
    return found


def assert_ranked_as_in_process(frame, scorer, users, k, seen):
    exclude = [
        {"item_id": [item for who, item in zip(*seen.values(), strict=True) if who == user]}
        for user in users
    ]
    expected = rk.rank(scorer, {"user_id": users}, CANDIDATES, k, exclude)
    found = rankings(frame)
    assert set(found) == set(users)
    for user, ranking in zip(users, expected, strict=True):
        ours = [{"item_id": row["item_id"], "shelf": row["shelf"]} for row in found[user]]
        assert ours == [candidate for candidate, _ in ranking]
        scores = [row["score"] for row in found[user]]
        np.testing.assert_allclose(scores, [score for _, score in ranking], atol=1e-5)
        assert [row["rank"] for row in found[user]] == list(range(1, len(ranking) + 1))


def parts(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}


def test_what_is_best_of_all_users_is_that_of_each(spark, export, tmp_path):
    users = [*USERS, "nobody"]
    frame = rk.spark.top_k(
        export, {"user_id": users}, CANDIDATES, k=21, output=tmp_path / "out", exclude=SEEN
    )
    assert_ranked_as_in_process(frame, rk.export.load(export), users, 21, SEEN)
    assert frame.columns == ["user_id", "item_id", "shelf", "score", "rank"]
    assert (tmp_path / "out" / "_SUCCESS").exists()
    assert len(parts(tmp_path / "out")) > 4
    assert pq.read_table(tmp_path / "out").num_rows == frame.count() == 31 * 21 - 1  # u1 has 22 - 2


def test_a_job_goes_on_with_what_is_missing(spark, export, tmp_path):
    out = tmp_path / "out"
    scorer = rk.export.load(export)

    def job(k=5, users=tuple(USERS), candidates=CANDIDATES, path=export):
        return rk.spark.top_k(path, {"user_id": list(users)}, candidates, k=k, output=out)

    job()
    before = parts(out)
    job()
    assert parts(out) == before  # nothing was missing
    lost = sorted(before)[::2]
    for name in lost:
        (out / name).unlink()
    (out / "_SUCCESS").unlink()
    (out / ".part-of-an-attempt").touch()
    nothing = {"user_id": [], "item_id": []}
    assert_ranked_as_in_process(job(), scorer, USERS, 5, nothing)
    after = parts(out)
    assert {name for name in before if after[name] != before[name]} == set(lost)
    assert not (out / ".part-of-an-attempt").exists()

    reordered = {name: column[::-1] for name, column in CANDIDATES.items()}
    for what, change in {
        "k": {"k": 6},
        "users": {"users": ["u1"]},
        "candidates": {"candidates": reordered},
    }.items():
        words = f"output must be new.*whose job has another {what}. Name another folder"
        with pytest.raises(ValueError, match=words):
            job(**change)
    assert json.loads((out / "_job.json").read_text())["k"] == 5


def test_tables_come_from_parquet_spark_and_pandas(spark, export, tmp_path):
    pq.write_table(pa.table({"user_id": USERS}), tmp_path / "users.parquet")
    frame = rk.spark.top_k(
        export,
        tmp_path / "users.parquet",
        spark.createDataFrame(pa.table(CANDIDATES)),
        k=3,
        output=tmp_path / "out",
        exclude=pd.DataFrame(SEEN),
        spark=spark,
    )
    assert_ranked_as_in_process(frame, rk.export.load(export), USERS, 3, SEEN)


def test_no_users_no_rankings(spark, export, tmp_path):
    none = spark.createDataFrame(pa.table({"user_id": pa.array([], pa.string())}))
    frame = rk.spark.top_k(export, none, CANDIDATES, k=3, output=tmp_path / "out")
    assert frame.collect() == []


def test_an_error_of_a_worker_comes_in_one_line_and_keeps_what_is_done(spark, export, tmp_path):
    users = {"user_id": [*USERS, None]}
    words = "column 'user_id' of users must be without nulls. Got: .*1 nulls.*Drop those rows"
    with pytest.raises(ValueError, match=words):
        rk.spark.top_k(export, users, CANDIDATES, k=3, output=tmp_path / "out")
    assert not (tmp_path / "out" / "_SUCCESS").exists()


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"k": 0}, ValueError, "k must be an integer of at least 1. Got: k=0"),
        ({"users": {"user": USERS}}, ValueError, "Missing feature 'user_id'.*mean 'user'?"),
        ({"users": {"user_id": [1, 2]}}, TypeError,
         "column 'user_id' of users must be string. Got: .*'bigint'. Cast it first"),
        ({"users": USERS}, TypeError, "users must be a Spark DataFrame, the path of a Parquet"),
        ({"users": "nowhere"}, ValueError,
         "users must be the path of a Parquet table. Got: users='nowhere'.*PATH_NOT_FOUND"),
        ({"users": {"user_id": ["a", 1]}}, ValueError, r"users\['user_id'\] must be values of one"),
        ({"candidates": {"item_id": ITEMS, "rank": [0] * 20}}, ValueError,
         "column of candidates must be none of .*'rank'.*Rename it"),
        ({"candidates": {"item_id": ITEMS, "user_id": ITEMS}}, ValueError,
         "Column 'user_id' is given twice: in users and in candidates"),
        ({"exclude": {"user_id": ["u1"], "item": ["i1"]}}, ValueError,
         "Unknown column of exclude 'item'.*mean 'item_id'?"),
        ({"exclude": {"item_id": ["i1"]}}, ValueError,
         "exclude must be a table with columns of users and of candidates. Got: .*'item_id'"),
        ({"exclude": {"user_id": ["u1"], "item_id": [1]}}, TypeError,
         "column 'item_id' of exclude must be string, as .*bigint"),
        ({"spark": "local"}, TypeError, "spark must be a pyspark.sql.SparkSession, or None"),
        ({"export": "nowhere"}, FileNotFoundError, "No SavedModel folder at 'nowhere'"),
    ],
)  # fmt: skip
def test_impossible_arguments_are_named(spark, export, tmp_path, change, kind, words):
    arguments = {"users": {"user_id": USERS}, "candidates": CANDIDATES, "k": 3, "export": export}
    with pytest.raises(kind, match=words):
        rk.spark.top_k(**{**arguments, **change}, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(spark, export, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="output must be new, empty.*which holds 'notes.txt'"):
        rk.spark.top_k(export, {"user_id": USERS}, CANDIDATES, k=3, output=tmp_path)


def test_an_export_of_something_else_is_named(spark, tmp_path):
    (tmp_path / "1").mkdir()
    with pytest.raises(ValueError, match="cannot be read as a SavedModel of rankkit.export.save"):
        rk.spark.top_k(tmp_path / "1", {"user_id": USERS}, CANDIDATES, k=3, output=tmp_path / "o")


@given(
    table=st.lists(st.lists(st.integers(-2, 2), min_size=7, max_size=7), max_size=5),
    k=st.integers(1, 9),
    excluded=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 6))),
    rows=st.integers(1, 40),
)
def test_batches_of_any_size_give_a_stable_order(table, k, excluded, rows):
    """Whether a batch holds many users or a part of one's candidates."""
    scores = np.array(table, np.float32).reshape(-1, 7)
    excluded = sorted(pair for pair in excluded if pair[0] < len(scores))

    def scorer(columns):
        return scores[np.asarray(columns["user"]), np.asarray(columns["item"])]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_k_module, "chunk_rows", lambda scorer: rows)
        pairs, found = best_candidates(
            scorer,
            Side({"user": tf.range(len(scores))}, len(scores)),
            Side({"item": tf.range(7)}, 7),
            k,
            Pairs(*np.array(excluded, int).reshape(-1, 2).T),
        )
    for user, own in enumerate(scores):
        left = [item for item in range(7) if (user, item) not in excluded]
        expected = sorted(left, key=lambda item: -own[item])[:k]  # Python's sort is stable
        assert pairs.candidates[pairs.users == user].tolist() == expected
        assert found[pairs.users == user].tolist() == own[expected].tolist()
