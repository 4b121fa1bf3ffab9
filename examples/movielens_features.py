"""Features of MovieLens for the examples: users, movies and timestamps."""

import re
from typing import Any

DAY, MINUTE = 86_400, 60


def movie_columns(titles: Any) -> dict[str, list[str]]:
    """Returns year and decade, parsed from the end of each title."""
    years = [(re.findall(r"\((\d{4})\)", title) or ["unknown"])[-1] for title in titles]
    return {"year": years, "decade": [year[:3] for year in years]}


def penalized_ids(train: dict, width: int, strength: float) -> dict[str, Any]:
    """User and movie embeddings with an L2 penalty, for networks trained by gradient descent.

    Args:
        train: The training rows.
        width: Embedding dimension.
        strength: Strength of the L2 penalty.
    """
    import rankkit as rk
    import tensorflow as tf

    penalty = tf.keras.regularizers.L2(strength)
    return {
        name: rk.layers.IdEmbedding.from_column(train[name], width, embeddings_regularizer=penalty)
        for name in ("user_id", "movie_title")
    }


def id_features(train: dict, width: int) -> tuple[dict[str, Any], list[list[str]]]:
    """User and movie embeddings.

    Args:
        train: The training rows.
        width: Embedding dimension: one number is the bias, the rest interacts.

    Returns:
        The features, and the names of the user features and of the movie features.
    """
    import rankkit as rk

    names = ("user_id", "movie_title")
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), width) for name in names
    }
    return features, [["user_id"], ["movie_title"]]


def history_features(train: dict, width: int) -> tuple[dict[str, Any], list[list[str]]]:
    """Adds rating histories: the movies of the user and the users of the movie."""
    import rankkit as rk

    features, (user, movie) = id_features(train, width)
    for name, of, by in (("seen", "user_id", "movie_title"), ("raters", "movie_title", "user_id")):
        tags = rk.layers.TagsEmbedding(rk.data.vocabulary(train[by]), width, pooling="sqrtn")
        features[name] = (of, rk.layers.Attribute.from_members(train[of], train[by], tags))
    return features, [[*user, "seen"], [*movie, "raters"]]


def movie_features(train: dict, width: int) -> tuple[dict[str, Any], list[list[str]]]:
    """Adds genres, year and decade of the movie."""
    import rankkit as rk

    features, (user, movie) = history_features(train, width)
    titles = train["movie_title"]
    genres = rk.layers.TagsEmbedding.from_column(train["movie_genres"], width, pooling="sqrtn")
    attribute = rk.layers.Attribute.from_columns
    features["genres"] = ("movie_title", attribute(titles, train["movie_genres"], genres))
    for name, values in movie_columns(titles).items():
        layer = rk.layers.IdEmbedding(rk.data.vocabulary(values), width)
        features[name] = ("movie_title", attribute(titles, values, layer, default="unknown"))
    return features, [user, [*movie, "genres", "year", "decade"]]


def timestamp_features(train: dict, width: int) -> tuple[dict[str, Any], list[list[str]]]:
    """Adds the timestamp: the user on a day, in a minute and in five seconds.

    MovieLens users rate in sessions, and a random split puts ratings of one session on both
    sides; a model in production only knows the past.
    """
    import rankkit as rk

    features, (user, movie) = movie_features(train, width)
    windows = {f"user_{seconds}s": (seconds, width) for seconds in (DAY, MINUTE, 5)}
    windows |= {f"user_bias_{seconds}s": (seconds, 1) for seconds in (1800, 300, 20, 1)}
    for name, (seconds, wide) in windows.items():
        layer = rk.layers.CrossEmbedding.from_columns(
            train["user_id"], train["timestamp"], wide, width=seconds
        )
        features[name] = (("user_id", "timestamp"), layer)
    with_vectors = [name for name, (_, wide) in windows.items() if wide > 1]
    return features, [[*user, *with_vectors], movie]


def network_features(train: dict, width: int, penalty: Any) -> dict[str, Any]:
    """Features for networks trained by gradient descent.

    Args:
        train: The training rows.
        width: Embedding dimension.
        penalty: Keras regularizer of the vectors of a batch, or `None`.
    """
    import rankkit as rk

    layers, kwargs = rk.layers, {"activity_regularizer": penalty}
    # Id dropout trains the embedding of out-of-vocabulary ids.
    ids = {"id_dropout_rate": 0.02, **kwargs}
    users, titles, when = train["user_id"], train["movie_title"], train["timestamp"]
    genres = layers.TagsEmbedding.from_column(train["movie_genres"], width, **kwargs)
    years = movie_columns(titles)["year"]
    year = layers.IdEmbedding.from_column(years, width, **kwargs)
    history, attribute = layers.HistoryEmbedding.from_columns, layers.Attribute.from_columns
    return {
        "user_id": layers.IdEmbedding.from_column(users, width, **ids),
        "seen": (("user_id", "movie_title"), history(users, titles, width, **kwargs)),
        "genres": ("movie_title", attribute(titles, train["movie_genres"], genres)),
        "year": ("movie_title", attribute(titles, years, year, default="unknown")),
        "day": (
            ("user_id", "timestamp"),
            layers.CrossEmbedding.from_columns(users, when, width, width=DAY, **kwargs),
        ),
        "hour": ("timestamp", layers.CalendarEmbedding("hour_of_day", width, **kwargs)),
        "movie_title": layers.IdEmbedding.from_column(titles, width, **ids),
    }
