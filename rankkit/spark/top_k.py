"""The best candidates of every user of a population."""

import hashlib
import math
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from rankkit._errors import check_integer
from rankkit.spark._exclusions import Keys, cast_like
from rankkit.spark._folder import JobFolder
from rankkit.spark._jobs import PART, PARTS_A_CORE, WRITTEN, fingerprint, hashed, written_parts
from rankkit.spark._model import Shipped
from rankkit.spark._part_ranker import PartRanker
from rankkit.spark._session import session_of
from rankkit.spark._tables import as_frame, check_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

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
