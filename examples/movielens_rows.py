"""Training and test rows of the examples: MovieLens 100K with the split of the tutorial."""

import hashlib
from collections.abc import Sequence

COLUMNS = ("user_id", "movie_title", "user_rating")


def movielens_rows(
    quick: bool, columns: Sequence[str] = COLUMNS, number: int | None = None
) -> tuple[dict, dict, dict]:
    """Returns all ratings, the training rows and the test rows, and prints their counts.

    Args:
        quick: Whether to use a tenth of the ratings.
        columns: Columns to read.
        number: Number of ratings to use. Defaults to `None`, all.
    """
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=list(columns))
    number = 10_000 if quick else number
    if number is not None:
        ratings = {name: column[:number] for name, column in ratings.items()}
    train, test = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    print(f"{len(train['user_id']):,} training ratings, {len(test['user_id']):,} test ratings")
    return ratings, train, test


def sha256(rows: dict) -> str:
    """Returns the hash of users, titles and ratings in order, which identifies the rows."""
    lines = zip(*(rows[name] for name in COLUMNS), strict=True)
    text = "\n".join(f"{user}\t{title}\t{int(rating)}" for user, title, rating in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def with_clicks(rows: dict) -> dict:
    """Adds a click label: whether the rating is at least 4 stars."""
    return {**rows, "click": (rows["user_rating"] >= 4).astype("float32")}
