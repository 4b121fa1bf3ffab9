"""Pairs of user and candidate that are to be left out, such as what the user has seen."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from rankkit._errors import invalid, unknown, wrong_type
from rankkit.spark._best import Pairs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType


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
