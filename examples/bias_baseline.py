"""What a rating is worth that knows its user's and its item's mean alone: the score to beat."""

import numpy as np


def bias_baseline_rmse(train: dict, test: dict, *, regularization: float = 3.0) -> float:
    """Fits `rating = mean + user bias + item bias` in turns, and gives its error on other rows.

    Args:
        train: Columns `user_id`, `movie_title` and `user_rating` to fit.
        test: The same columns of the rows to predict.
        regularization: How many ratings of the mean each user and item begins with.
    """
    ratings = np.asarray(train["user_rating"], float)
    mean = ratings.mean()
    biases = {}
    for name in ("user_id", "movie_title"):
        ids, places = np.unique(train[name], return_inverse=True)
        biases[name] = (ids, places, np.zeros(len(ids) + 1))  # the last is an unknown id's, 0
    for _ in range(100):
        for name, (ids, places, bias) in biases.items():
            others = sum(b[p] for other, (_, p, b) in biases.items() if other != name)
            total = np.bincount(places, ratings - mean - others, len(ids))
            bias[:-1] = total / (np.bincount(places, minlength=len(ids)) + regularization)
    predicted = mean
    for name, (ids, _, bias) in biases.items():
        places = np.searchsorted(ids, test[name]).clip(max=len(ids) - 1)
        predicted = predicted + bias[np.where(ids[places] == test[name], places, len(ids))]
    return float(np.sqrt(np.mean((test["user_rating"] - predicted) ** 2)))
