"""The rows that the examples train and test on: MovieLens 100K, split as the tutorial splits it."""

import hashlib
from collections.abc import Sequence

COLUMNS = ("user_id", "movie_title", "user_rating")


def movielens_rows(
    quick: bool, columns: Sequence[str] = COLUMNS, number: int | None = None
) -> tuple[dict, dict, dict]:
    """Gives all ratings, those to train on and those to test, and prints their numbers.

    Args:
        quick: Whether to take a tenth of them.
        columns: The columns to take.
        number: How many to take, the first ones. Defaults to `None`, all.
    """
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=list(columns))
    number = 10_000 if quick else number
    if number is not None:
        ratings = {name: column[:number] for name, column in ratings.items()}
    train, test = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    print(f"{len(train['user_id']):,} ratings to train on, {len(test['user_id']):,} to test")
    return ratings, train, test


def sha256(rows: dict) -> str:
    """Gives the hash of who rated what how, in order: the same rows have the same."""
    lines = zip(*(rows[name] for name in COLUMNS), strict=True)
    text = "\n".join(f"{user}\t{title}\t{int(rating)}" for user, title, rating in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def with_clicks(rows: dict) -> dict:
    """Adds whether the rating is of at least 4 stars, taken for a click."""
    return {**rows, "click": (rows["user_rating"] >= 4).astype("float32")}
