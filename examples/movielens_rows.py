"""The rows that the examples train and test on: MovieLens 100K, split as the tutorial splits it."""


def movielens_rows(quick: bool) -> tuple[dict, dict, dict]:
    """Gives all ratings, those to train on and those to test, and prints their numbers.

    Args:
        quick: Whether to take a tenth of them.
    """
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])
    if quick:
        ratings = {name: column[:10_000] for name, column in ratings.items()}
    train, test = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    print(f"{len(train['user_id']):,} ratings to train on, {len(test['user_id']):,} to test")
    return ratings, train, test
