"""`top_k`: ranks candidates for each user of a table with Spark."""

import hashlib
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.ranking.scoring import compute_scores
from rankkit.spark._jobs import (
    PARTITION,
    PARTITIONS_PER_CORE,
    REPORT,
    JobFolder,
    collect_reports,
    fingerprint,
    hash_columns,
    run_and_report,
)
from rankkit.spark._session import get_session
from rankkit.spark._tables import ShippedModel, as_frame, check_columns, load_model, table_features
from rankkit.utils.errors import check_integer, check_known, check_path, invalid, wrong_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PAIRS_PER_PARTITION = 50_000_000  # little is lost with a partition when a job is interrupted
_MAX_PARTITIONS = 10_000


def top_k(
    export: str | os.PathLike[str],
    users: Any,
    candidates: Any,
    *,
    k: int,
    output: str | os.PathLike[str],
    exclude: Any = None,
    spark: Any = None,
) -> "DataFrame":
    """Ranks candidates for each user of a table, and writes the best of each.

    Scores and order are those of `rankkit.rank`. Users are partitioned by hash; each partition is
    scored in batches with all candidates, and becomes one Parquet file in `output`. If the job is
    interrupted, the same call resumes it and computes the missing partitions.

    Args:
        export: Local folder of a SavedModel of `rankkit.export.save`, which workers are sent.
        users: One row per user: a Spark DataFrame, the path of a Parquet table, a pandas
            DataFrame, or a dict of columns. Columns that are not features are kept. Dates and
            timestamps are read as seconds since 1970 (UTC).
        candidates: One row per candidate, in the same formats. Every worker holds all of them.
        k: Maximum number of candidates for each user, at least 1.
        output: Folder to write, a path or a URI such as `"hdfs://..."` or `"s3://..."` that all
            hosts can access. It is new or empty, or the folder of the job to resume.
        exclude: Pairs to leave out, such as the items that a user has seen: a table with columns
            of the users and of the candidates. Defaults to `None`.
        spark: The `SparkSession` to use. Defaults to `None`: the active session, or a new one with
            all cores of this host.

    Returns:
        The table in `output`: the columns of users and candidates, `score`, and `rank`, from 1.

    Raises:
        ImportError: If pyspark is not installed.
        RuntimeError: If Spark cannot start Java, or a worker fails, such as for lack of memory.
        FileNotFoundError: If the export does not exist.
        ValueError: If the export is not a SavedModel of rankkit; if a feature is missing or null;
            if `output` is the folder of another job; if a score is not finite.
        TypeError: If a column has the wrong type for its feature.
    """
    check_integer("k", k)
    export, output = check_path("export", export), check_path("output", output)
    session = get_session(spark)
    model = ShippedModel(session, export)
    user_frame = as_frame(session, "users", users)
    candidate_frame = as_frame(session, "candidates", candidates)
    added = ("score", "rank", PARTITION)
    check_columns(model.specs, added, users=user_frame, candidates=candidate_frame)
    keys = pairs = None
    if exclude is not None:
        pairs = as_frame(session, "exclude", exclude)
        keys = KeyColumns.find(pairs, user_frame, candidate_frame)
        pairs = _cast_like(pairs, user_frame, candidate_frame)
    folder = JobFolder.at(output)
    table = candidate_frame.toArrow()
    identity = {
        "job": "top_k",
        "model": model.sha256,
        "k": int(k),
        "users": fingerprint(user_frame),
        "candidates": _digest(table),
        "exclude": None if pairs is None else fingerprint(pairs),
    }
    num_users = identity["users"]["rows"]
    num_partitions = max(
        math.ceil(num_users * table.num_rows / _PAIRS_PER_PARTITION),
        PARTITIONS_PER_CORE * session.sparkContext.defaultParallelism,
    )
    num_partitions = max(1, min(_MAX_PARTITIONS, num_users, num_partitions))
    num_partitions = folder.claim(identity, num_partitions)
    if not folder.is_finished() and num_partitions is not None:
        broadcast = session.sparkContext.broadcast(table)
        ranker = PartitionRanker(folder, model.name, broadcast, k, keys)
        _rank_all(ranker, user_frame, pairs, num_partitions)
        folder.finish()
    fields = [*user_frame.schema, *candidate_frame.schema]
    return folder.read(session, fields, score="float", rank="integer")


def _digest(table: pa.Table) -> str:
    """Hashes the candidates in their order, which decides between equal scores."""
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return hashlib.sha256(repr(columns).encode()).hexdigest()


def _rank_all(
    ranker: "PartitionRanker", users: "DataFrame", exclude: "DataFrame | None", num_partitions: int
) -> None:
    """Ranks the missing partitions. Spark shuffles only users and excluded pairs."""
    from pyspark.sql import functions

    written = ranker.folder.written_partitions()
    keys = users.columns if ranker.keys is None else ranker.keys.users

    def partitioned(frame: "DataFrame") -> Any:
        partition = functions.pmod(hash_columns(keys), functions.lit(num_partitions))
        missing = frame.withColumn(PARTITION, partition).where(~partition.isin(written))
        return missing.repartition(num_partitions, PARTITION).groupBy(PARTITION)

    # Spark counts the arguments of a function, and cannot count those of a bound method.
    groups, rank = partitioned(users), ranker.rank
    if exclude is None:
        collect_reports(lambda: groups.applyInArrow(lambda users: rank(users, None), REPORT))
    else:
        groups = groups.cogroup(partitioned(exclude))
        collect_reports(
            lambda: groups.applyInArrow(lambda users, excluded: rank(users, excluded), REPORT)
        )
    ranker.candidates.destroy()


class KeyColumns(NamedTuple):
    """The columns of excluded pairs that identify users, and those that identify candidates."""

    users: list[str]
    candidates: list[str]

    @classmethod
    def find(
        cls, exclude: "DataFrame", users: "DataFrame", candidates: "DataFrame"
    ) -> "KeyColumns":
        """Finds them by their names, and checks their types."""
        from pyspark.sql.types import StringType

        known = [*users.columns, *candidates.columns]
        check_known("column of exclude", exclude.columns, known)
        for name in exclude.columns:
            table = users if name in users.columns else candidates
            kind, expected = (each.schema[name].dataType for each in (exclude, table))
            if isinstance(kind, StringType) != isinstance(expected, StringType):
                same = f"of type {expected.simpleString()}, as in the other table"
                where = f"column {name!r} of exclude"
                raise wrong_type(where, kind.simpleString(), same, "Cast it first.")
        keys = cls(
            *([n for n in exclude.columns if n in table.columns] for table in (users, candidates))
        )
        if not all(keys):
            expected = "a column of users and a column of candidates"
            raise invalid("columns of exclude", exclude.columns, expected, "Add the missing one.")
        return keys


def _cast_like(exclude: "DataFrame", *tables: "DataFrame") -> "DataFrame":
    """Casts the columns of excluded pairs to their types in the tables of users and candidates."""
    types = {field.name: field.dataType for table in tables for field in table.schema}
    return exclude.select([exclude[name].cast(types[name]).alias(name) for name in exclude.columns])


class PartitionRanker(NamedTuple):
    """Ranks the candidates for the users of a partition, and writes the best of each."""

    folder: JobFolder
    model: str  # its name, for `load_model`
    candidates: Any  # a broadcast table
    k: int
    keys: KeyColumns | None  # `None` if no pairs are excluded

    def rank(self, users: pa.Table, exclude: pa.Table | None) -> pa.Table:
        """Ranks one partition; returns a report, or none if no user is in it."""
        if not users.num_rows:  # all pairs are of users who are not in the table
            return run_and_report(0, lambda: None).slice(1)
        number = users[PARTITION][0].as_py()
        users = users.drop([PARTITION])
        return run_and_report(number, lambda: self._write(number, users, exclude))

    def _write(self, partition: int, users: pa.Table, exclude: pa.Table | None) -> None:
        candidates = self.candidates.value
        excluded = Pairs(np.zeros(0, int), np.zeros(0, int))
        if self.keys is not None and exclude is not None:
            excluded = _find_pairs(exclude, self.keys, users, candidates)
        scorer = load_model(self.model)
        specs = scorer.feature_specs
        pairs, scores = rank_in_batches(
            scorer,
            Rows(table_features("users", users, specs), users.num_rows),
            Rows(table_features("candidates", candidates, specs), candidates.num_rows),
            self.k,
            excluded,
            chunk_rows(scorer),
        )
        ranks = np.arange(len(scores)) - np.searchsorted(pairs.users, pairs.users) + 1
        columns = {name: users[name].take(pairs.users) for name in users.column_names}
        for name in candidates.column_names:
            columns[name] = candidates[name].take(pairs.candidates)
        columns["score"] = pa.array(scores, pa.float32())
        columns["rank"] = pa.array(ranks, pa.int32())
        table = pa.table(columns)
        with self.folder.write(partition, table.schema, {}) as writer:
            writer.write_table(table)


class Pairs(NamedTuple):
    """Indices of users, in ascending order, and of the candidates they are paired with."""

    users: np.ndarray
    candidates: np.ndarray


def _find_pairs(
    exclude: pa.Table, keys: KeyColumns, users: pa.Table, candidates: pa.Table
) -> Pairs:
    """Returns the indices of excluded pairs; pairs of other users or candidates are ignored."""
    tables = {"_user": (keys.users, users), "_candidate": (keys.candidates, candidates)}
    # Spark gives the times of tables that it reads in different ways different time zones.
    fields = [table.schema.field(name) for names, table in tables.values() for name in names]
    pairs = exclude.select([field.name for field in fields]).cast(pa.schema(fields))
    for index, (names, table) in tables.items():
        indexed = table.select(names).append_column(index, pa.array(np.arange(table.num_rows)))
        pairs = pairs.join(indexed, names, join_type="inner")
    pairs = pairs.sort_by("_user")
    return Pairs(pairs["_user"].to_numpy(), pairs["_candidate"].to_numpy())


class Rows(NamedTuple):
    """Features of users or of candidates, one row each."""

    features: Mapping[str, tf.Tensor]
    num_rows: int

    def slice(self, start: int, stop: int) -> "Rows":
        """Returns the rows from `start` up to `stop`."""
        features = {name: column[start:stop] for name, column in self.features.items()}
        return Rows(features, min(stop, self.num_rows) - start)


def rank_in_batches(
    scorer: Any, users: Rows, candidates: Rows, k: int, excluded: Pairs, batch_size: int
) -> tuple[Pairs, np.ndarray]:
    """Returns the best `k` candidates of each user, best first, and the scores of these pairs.

    A batch of pairs has several users with all candidates, or one user with some candidates.
    Candidates with equal scores keep their order.
    """
    width = max(1, min(candidates.num_rows, batch_size))
    height = batch_size // width
    found = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32))]
    for start in range(0, users.num_rows, height):
        all_scores = _score_pairs(scorer, users.slice(start, start + height), candidates, width)
        low, high = np.searchsorted(excluded.users, [start, start + height])
        all_scores[excluded.users[low:high] - start, excluded.candidates[low:high]] = -np.inf
        # Among equal scores, top_k puts the earlier candidate first.
        top, order = map(np.asarray, tf.math.top_k(all_scores, min(k, candidates.num_rows)))
        rows, ranks = np.nonzero(np.isfinite(top))
        found.append((start + rows, order[rows, ranks], top[rows, ranks]))
    user_indices, indices, scores = map(np.concatenate, zip(*found, strict=True))
    return Pairs(user_indices, indices), scores


def _score_pairs(scorer: Any, users: Rows, candidates: Rows, width: int) -> np.ndarray:
    """Returns the scores `(users, candidates)` of all pairs, of `width` candidates at a time."""
    starts = range(0, candidates.num_rows, width)
    chunks = (_pair(users, candidates.slice(start, start + width)) for start in starts)
    scores = compute_scores(scorer, chunks, users.num_rows * candidates.num_rows)
    return scores.reshape(users.num_rows, candidates.num_rows)


def _pair(users: Rows, candidates: Rows) -> dict[str, tf.Tensor]:
    """Returns the features of all pairs, one user after another."""
    columns = {
        name: tf.repeat(column, candidates.num_rows, axis=0)
        for name, column in users.features.items()
    }
    for name, column in candidates.features.items():
        columns[name] = tf.tile(column, [users.num_rows, *[1] * (column.shape.rank - 1)])
    return columns
