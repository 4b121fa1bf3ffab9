"""Training functions of the rows in the table of results; settings chosen on validation rows."""

from typing import Any

import movielens_features


def user_and_item_biases(train: dict, seed: int) -> Any:
    """Baseline: the mean rating plus a bias for each user and movie."""
    import rankkit as rk

    return rk.evaluation.BiasBaseline(train, ["user_id", "movie_title"], label="user_rating")


def tutorial_tower(train: dict, seed: int) -> Any:
    """Network and settings of TensorFlow Recommenders' tutorial."""
    import tensorflow as tf

    optimizer = tf.keras.optimizers.Adagrad(0.1)
    return _tower(train, seed, optimizer, epochs=3, batch_size=8192)


def tuned_tower(train: dict, seed: int) -> Any:
    """The same network with L2 penalty, smaller batches, more epochs and averaged weights."""
    import rankkit as rk
    import tensorflow as tf

    return _tower(
        train,
        seed,
        tf.keras.optimizers.Adam(0.002),
        epochs=30,
        batch_size=1024,
        embeddings_regularizer=tf.keras.regularizers.L2(0.003),
        callbacks=[rk.WeightAveraging()],
    )


def _tower(
    train: dict,
    seed: int,
    optimizer: Any,
    *,
    epochs: int,
    batch_size: int,
    embeddings_regularizer: Any = None,
    callbacks: Any = (),
) -> Any:
    import rankkit as rk
    import tensorflow as tf

    tf.keras.utils.set_random_seed(seed)
    features = {
        name: rk.layers.IdEmbedding(
            rk.data.vocabulary(train[name]), 32, embeddings_regularizer=embeddings_regularizer
        )
        for name in ("user_id", "movie_title")
    }
    model = rk.RankingModel(rk.models.tower(features), label="user_rating")
    model.compile(optimizer)
    batches = rk.data.batches(train, batch_size, shuffle=True, seed=seed)
    model.fit(batches, epochs=epochs, callbacks=list(callbacks), verbose=0)
    return model


def bayesian_ids(train: dict, seed: int) -> Any:
    """Bayesian factorization machine of user and movie."""
    return _bayesian(train, seed, movielens_features.id_features, dim=16)


def bayesian_history(train: dict, seed: int) -> Any:
    """Adds rating histories."""
    return _bayesian(train, seed, movielens_features.history_features, dim=24)


def bayesian_movies(train: dict, seed: int) -> Any:
    """Adds genres and years of the movies."""
    return _bayesian(train, seed, movielens_features.movie_features, dim=24)


def bayesian_timestamps(train: dict, seed: int) -> Any:
    """Adds timestamps of the ratings."""
    return _bayesian(train, seed, movielens_features.timestamp_features, dim=16)


def _bayesian(train: dict, seed: int, make: Any, dim: int) -> Any:
    import rankkit as rk

    features, groups = make(train, 1 + dim)
    return rk.bayesian.factorization_machine(
        features,
        train,
        label="user_rating",
        groups=groups,
        dim=64,
        seed=seed,
    )


RANKERS = {  # name to inputs and training function
    "user_and_item_biases": ("ids", user_and_item_biases),
    "tutorial_tower": ("ids", tutorial_tower),
    "tuned_tower": ("ids", tuned_tower),
    "bayesian_ids": ("ids", bayesian_ids),
    "bayesian_history": ("ids", bayesian_history),
    "bayesian_movies": ("all but timestamps", bayesian_movies),
    "bayesian_timestamps": ("all", bayesian_timestamps),
}
