"""`top_k`: the best candidates of each user."""

import hashlib
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.ranking.scoring import scores_of
from rankkit.spark._jobs import (
    PART,
    PARTS_A_CORE,
    WRITTEN,
    JobFolder,
    fingerprint,
    hashed,
    told,
    written_parts,
)
from rankkit.spark._session import session_of
from rankkit.spark._tables import Shipped, as_frame, check_columns, features_of, scorer_of
from rankkit.utils.errors import check_integer, invalid, unknown, wrong_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import DataType


class Side(NamedTuple):
    """Users or candidates.

    Attributes:
        features: Feature name to values, one each.
        number: How many they are.
    """

    features: Mapping[str, tf.Tensor]
    number: int

    def between(self, start: int, end: int) -> "Side":
        """Gives those from a place on, before another place."""
        features = {name: column[start:end] for name, column in self.features.items()}
        return Side(features, min(end, self.number) - start)


class Pairs(NamedTuple):
    """Users with candidates, by their places.

    Attributes:
        users: In ascending order, `(pairs,)`.
        candidates: As many.
    """

    users: np.ndarray
    candidates: np.ndarray


def best_candidates(
    scorer: Any, users: Side, candidates: Side, k: int, excluded: Pairs
) -> tuple[Pairs, np.ndarray]:
    """Scores all users with all candidates, and keeps the best ones of each user.

    Several users are scored in one call, or one with a part of the candidates at a time. Of equal
    scores, the candidate that came first is ahead.

    Args:
        scorer: What maps a dict of columns to a score a row.
        users: The users.
        candidates: The candidates.
        k: At most this many are kept of each.
        excluded: What to leave out.

    Returns:
        Who was kept, of each user the best first, and the scores, `(pairs,)`.

    Raises:
        ValueError: If the scorer gives other than one finite score a row.
    """
    width = max(1, min(candidates.number, chunk_rows(scorer)))
    height = chunk_rows(scorer) // width
    places, scores = [np.zeros(0, int)], [np.zeros(0, np.float32)]
    counts = [np.zeros(0, int)]
    for start in range(0, users.number, height):
        low, high = np.searchsorted(excluded.users, [start, start + height])
        left_out = Pairs(excluded.users[low:high] - start, excluded.candidates[low:high])
        some = users.between(start, start + height)
        best, their_scores = _of_some(scorer, some, candidates, width, k, left_out)
        kept = np.isfinite(their_scores)
        places.append(best[kept])
        scores.append(their_scores[kept])
        counts.append(kept.sum(axis=1))
    owners = np.repeat(np.arange(users.number), np.concatenate(counts))
    return Pairs(owners, np.concatenate(places)), np.concatenate(scores)


def _of_some(
    scorer: Any, users: Side, candidates: Side, width: int, k: int, excluded: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Places and scores of the best, both `(users, at most k)`, minus infinity for none."""
    best = np.zeros((users.number, 0), int)
    best_scores = np.zeros((users.number, 0), np.float32)
    for first in range(0, candidates.number, width):
        some = candidates.between(first, first + width)
        scores = _scores(scorer, users, some)
        here = (first <= excluded.candidates) & (excluded.candidates < first + width)
        scores[excluded.users[here], excluded.candidates[here] - first] = -np.inf
        scores = np.concatenate([best_scores, scores], axis=1)
        new = np.broadcast_to(np.arange(first, first + some.number), (users.number, some.number))
        best = np.concatenate([best, new], axis=1)
        # Of equal scores, top_k puts the one that came first ahead.
        top, order = tf.math.top_k(scores, min(k, scores.shape[1]))
        best, best_scores = np.take_along_axis(best, order.numpy(), axis=1), top.numpy()
    return best, best_scores


def _scores(scorer: Any, users: Side, candidates: Side) -> np.ndarray:
    columns = {
        name: tf.repeat(column, candidates.number, axis=0)
        for name, column in users.features.items()
    }
    for name, column in candidates.features.items():
        columns[name] = tf.tile(column, [users.number, *[1] * (column.shape.rank - 1)])
    scores = scores_of(scorer, [columns], users.number * candidates.number)
    return scores.reshape(users.number, candidates.number)


class Keys(NamedTuple):
    """The columns that tell users and candidates of a table of pairs.

    Attributes:
        users: Names of columns of the users.
        candidates: Names of columns of the candidates.
    """

    users: list[str]
    candidates: list[str]

    @classmethod
    def of(cls, exclude: "DataFrame", users: "DataFrame", candidates: "DataFrame") -> "Keys":
        """Finds them.

        Raises:
            ValueError: If a column is neither of the users nor of the candidates, or there is none
                of either.
            TypeError: If one is of another kind there.
        """
        for name in exclude.columns:
            if name not in (*users.columns, *candidates.columns):
                raise unknown("column of exclude", name, [*users.columns, *candidates.columns])
            theirs = users if name in users.columns else candidates
            kind, expected = (each.schema[name].dataType for each in (exclude, theirs))
            if _is_text(kind) != _is_text(expected):
                words = f"{expected.simpleString()}, as the other table has it"
                fix = "It could exclude nothing: cast it first."
                raise wrong_type(f"column {name!r} of exclude", kind.simpleString(), words, fix)
        keys = cls(
            *([n for n in exclude.columns if n in side.columns] for side in (users, candidates))
        )
        if not all(keys):
            fix = "Those of both sides tell which pairs to leave out."
            expected = "a table with columns of users and of candidates"
            raise invalid("exclude", exclude.columns, expected, fix)
        return keys


def _is_text(kind: "DataType") -> bool:
    from pyspark.sql.types import StringType

    return isinstance(kind, StringType)


def cast_like(exclude: "DataFrame", *tables: "DataFrame") -> "DataFrame":
    """Gives the columns of pairs the types that the tables of users and candidates have."""
    kinds = {field.name: field.dataType for table in tables for field in table.schema}
    return exclude.select([exclude[name].cast(kinds[name]).alias(name) for name in exclude.columns])


def places(exclude: pa.Table, keys: Keys, users: pa.Table, candidates: pa.Table) -> Pairs:
    """Finds pairs in tables of users and candidates; those of others are left aside.

    Args:
        exclude: The pairs.
        keys: Which of their columns tell what.
        users: The users.
        candidates: The candidates.
    """
    pairs = exclude.select([*keys.users, *keys.candidates])
    for name, of, table in (
        ("user", keys.users, users),
        ("candidate", keys.candidates, candidates),
    ):
        numbered = table.select(of).append_column(f"_{name}", pa.array(np.arange(table.num_rows)))
        pairs = pairs.join(numbered, of, join_type="inner")
    pairs = pairs.sort_by("_user")
    return Pairs(pairs["_user"].to_numpy(), pairs["_candidate"].to_numpy())


class PartRanker(NamedTuple):
    """Ranks the candidates for some users, and writes the best of each.

    Attributes:
        folder: Where to write.
        model: Name of the model's folder on the workers.
        candidates: The table of candidates, broadcast.
        k: At most this many of each user are written.
        keys: The columns of pairs to exclude, `None` without any.
    """

    folder: JobFolder
    model: str
    candidates: Any
    k: int
    keys: Keys | None

    def rank(self, users: pa.Table, exclude: pa.Table | None) -> pa.Table:
        """Ranks one part.

        Args:
            users: Its users.
            exclude: Pairs of these users.

        Returns:
            What is told of the part, if it has users.
        """
        if not users.num_rows:  # pairs of users who are not there
            return pa.table(told(0, lambda: None)).slice(1)
        part = users[PART][0].as_py()
        return pa.table(told(part, lambda: self._write(part, users.drop([PART]), exclude)))

    def _write(self, part: int, users: pa.Table, exclude: pa.Table | None) -> None:
        candidates = self.candidates.value
        excluded = Pairs(np.zeros(0, int), np.zeros(0, int))
        if self.keys is not None and exclude is not None:
            excluded = places(exclude, self.keys, users, candidates)
        scorer = scorer_of(self.model)
        specs = scorer.feature_specs
        pairs, scores = best_candidates(
            scorer,
            Side(features_of("users", users, specs), users.num_rows),
            Side(features_of("candidates", candidates, specs), candidates.num_rows),
            self.k,
            excluded,
        )
        table = _side_by_side(users.take(pairs.users), candidates.take(pairs.candidates))
        table = table.append_column("score", pa.array(scores, pa.float32()))
        table = table.append_column("rank", pa.array(_ranks(pairs.users), pa.int32()))
        with self.folder.write(part, table.schema, {}) as writer:
            writer.write_table(table)


def _side_by_side(one: pa.Table, other: pa.Table) -> pa.Table:
    names = [*one.column_names, *other.column_names]
    return pa.table([*one.columns, *other.columns], names=names)


def _ranks(owners: np.ndarray) -> np.ndarray:
    """Places within the rows of one user, from 1 on."""
    first = np.searchsorted(owners, owners)
    return np.arange(len(owners)) - first + 1


_PAIRS = 50_000_000  # in a part: little is lost with one, of a job that is stopped
_MOST_PARTS = 10_000


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
    """Ranks candidates for every user of a population, and writes the best of each.

    Scores and order are those of `rankkit.rank`. Users are dealt out in parts; a part is scored in
    batches where its users are, with all candidates, and only what is best leaves it. Each part is
    one Parquet file in `output`: the same call after an interruption does what is missing.

    Args:
        export: Folder of a SavedModel of `rankkit.export.save`, on this machine: it is sent to
            the workers.
        users: One row a user: a Spark DataFrame, the path of a Parquet table, a pandas DataFrame,
            or a dict of columns. Columns that are no features are carried along.
        candidates: One row a candidate, in the same ways; every worker holds all of them.
        k: At most this many candidates are given for each user, at least 1.
        output: Folder to write, a path or a URI such as `"hdfs://..."` or `"s3://..."` that all
            machines see: new, empty or that of the same job.
        exclude: Pairs to leave out, such as what the user has seen: a table with columns of the
            users and of the candidates. Defaults to `None`.
        spark: The `SparkSession` to work in. Defaults to `None`: the active one, or a new one
            with all cores of this machine.

    Returns:
        The table in `output`: the columns of users and candidates, `score`, and `rank` from 1 on.

    Raises:
        ImportError: If pyspark is not installed.
        RuntimeError: If there is no Java that Spark starts with.
        FileNotFoundError: If there is no export.
        ValueError: If the export is none of rankkit; if a feature is missing or null; if `output`
            holds another job; if a score is not finite.
        TypeError: If a column is of another kind than its feature.
    """
    check_integer("k", k)
    session = session_of(spark)
    model = Shipped(session, export)
    people, pool = as_frame(session, "users", users), as_frame(session, "candidates", candidates)
    check_columns(model.specs, ("score", "rank", PART), users=people, candidates=pool)
    keys = pairs = None
    if exclude is not None:
        pairs = as_frame(session, "exclude", exclude)
        keys = Keys.of(pairs, people, pool)
        pairs = cast_like(pairs, people, pool)
    folder = JobFolder.at(output)
    table = pool.toArrow()
    identity = {
        "job": "top_k",
        "model": model.sha256,
        "k": int(k),
        "users": fingerprint(people),
        "candidates": _digest(table),
        "exclude": None if pairs is None else fingerprint(pairs),
    }
    parts = folder.claim(identity, _num_parts(session, identity["users"]["rows"], table.num_rows))
    if not folder.is_finished() and parts is not None:
        ranker = PartRanker(folder, model.name, session.sparkContext.broadcast(table), k, keys)
        _rank_all(ranker, people, pairs, parts)
        folder.finish()
    return folder.read(session, [*people.schema, *pool.schema], score="float", rank="integer")


def _num_parts(session: "SparkSession", num_users: int, num_candidates: int) -> int:
    """As many parts as keep all cores busy to the end, and more of a large population."""
    wanted = math.ceil(num_users * num_candidates / _PAIRS)
    least = PARTS_A_CORE * session.sparkContext.defaultParallelism
    return max(1, min(_MOST_PARTS, num_users, max(wanted, least)))


def _digest(table: pa.Table) -> str:
    """Tells candidates from others, or from the same in another order, which decides ties."""
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return hashlib.sha256(repr(columns).encode()).hexdigest()


def _rank_all(
    ranker: PartRanker, users: "DataFrame", exclude: "DataFrame | None", parts: int
) -> None:
    """Ranks the parts that are missing. What is moved are users and excluded pairs alone."""
    from pyspark.sql import functions

    done = ranker.folder.done()
    by = users.columns if ranker.keys is None else ranker.keys.users

    def dealt_out(frame: "DataFrame") -> Any:
        part = functions.pmod(hashed(by), functions.lit(parts))
        missing = frame.withColumn(PART, part).where(~part.isin(done))
        return missing.repartition(parts, PART).groupBy(PART)

    def rank(users):
        return ranker.rank(users, None)

    def rank_but(users, exclude):
        return ranker.rank(users, exclude)

    if exclude is None:
        written_parts(lambda: dealt_out(users).applyInArrow(rank, WRITTEN))
    else:
        pairs = dealt_out(exclude)
        written_parts(lambda: dealt_out(users).cogroup(pairs).applyInArrow(rank_but, WRITTEN))
    ranker.candidates.destroy()
