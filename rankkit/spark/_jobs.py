"""Runs what writes the parts, and says what went wrong in them in one line."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

HASH, PART = "_rankkit_hash", "_rankkit_part"  # of a row, and which part it belongs to
PARTS_A_CORE = 8  # enough to keep all cores busy to the end
WRITTEN = "part long, error string"  # what workers tell of each part
_ERRORS = {error.__name__: error for error in (OSError, TypeError, ValueError)}


def told(part: int, write: Callable[[], None]) -> dict[str, pa.Array]:
    """Writes a part on a worker, and gives what is told of it, in the columns `WRITTEN`.

    An error is told, too: raised, Spark would try once more, and give up on all other parts.

    Args:
        part: Its number.
        write: Writes it.
    """
    error = None
    try:
        write()
    except tuple(_ERRORS.values()) as raised:
        kind = next(name for name, each in _ERRORS.items() if isinstance(raised, each))
        error = f"{kind}: {raised}"
    return {"part": pa.array([part], pa.int64()), "error": pa.array([error], pa.string())}


def written_parts(make_frame: Callable[[], "DataFrame"]) -> set[int]:
    """Runs a job that writes parts.

    Args:
        make_frame: Gives a DataFrame of what `told` gives.

    Returns:
        The numbers of the parts.

    Raises:
        ValueError, TypeError, OSError: What was told first. The other parts are written.
    """
    with warnings.catch_warnings():
        # Only the Arrow of these functions is used, and nothing of pandas.
        words = "PySpark does not yet fully support pandas"
        warnings.filterwarnings("ignore", words, FutureWarning)
        frame = make_frame()
    rows = frame.collect()
    for row in rows:
        if row["error"] is not None:
            kind, _, words = row["error"].partition(": ")
            raise _ERRORS[kind](words)
    return {row["part"] for row in rows}


def parts_to_deal(frame: "DataFrame") -> int | None:
    """Gives in how many parts to deal a table out that does not keep all cores busy, or `None`."""
    session = frame.sparkSession
    cores = session.sparkContext.defaultParallelism
    name = "spark.sql.adaptive.enabled"  # with which Spark would run half the query to say it
    before = session.conf.get(name) or "true"
    session.conf.set(name, "false")
    try:
        partitions = frame.select("*").rdd.getNumPartitions()
    finally:
        session.conf.set(name, before)
    return PARTS_A_CORE * cores if partitions < cores else None


def hashed(columns: list[str]) -> "Column":
    """Gives a hash of columns, from 0 on, that the same values always have."""
    from pyspark.sql import functions

    named = [functions.col(f"`{name}`") for name in columns]
    return functions.pmod(functions.xxhash64(*named), functions.lit(2**31))


def fingerprint(frame: "DataFrame") -> dict[str, Any]:
    """Tells the rows of a table, in any order, from others, in JSON's types."""
    from pyspark.sql import functions

    sums = functions.count("*"), functions.sum(hashed(frame.columns))
    rows, total = frame.agg(*sums).collect()[0]
    return {"columns": frame.columns, "rows": rows, "sum": total or 0}
