"""Time per row of training with a listwise loss / with squared error. Goal: at most 2.

Both train the same network on the tutorial's training rows of MovieLens 100K. A list has at most
100 ratings of a user; padding is not scored. Batches of lists and of rows have about the same
number of rows.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rankkit as rk
from alternating import report_ratio

LIST_SIZE, LISTS_PER_BATCH = 100, 32
LOSSES = {
    "pairwise logistic": rk.losses.PairwiseLogisticLoss(),
    "pairwise hinge": rk.losses.PairwiseHingeLoss(),
    "lambda rank": rk.losses.LambdaRankLoss(),
    "softmax": rk.losses.SoftmaxLoss(),
    "list mle": rk.losses.ListMLELoss(),
    "approx ndcg": rk.losses.ApproxNDCGLoss(),
}


def make_model(rows, loss):
    names = ("user_id", "movie_title")
    features = {name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 32) for name in names}
    model = rk.RankingModel(rk.models.tower(features), label="user_rating")
    model.compile("adagrad", loss=loss, metrics=[])
    return model


def time_epoch(model, batches):
    start = time.perf_counter()
    model.fit(batches, epochs=1, verbose=0)
    return time.perf_counter() - start


def ratios(runs=15):
    ratings = rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])
    train, _ = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    settings = {"list_size": LIST_SIZE, "overflow": "split", "shuffle": True, "seed": 1}
    lists = rk.data.lists(train, LISTS_PER_BATCH, **settings)
    rows = rk.data.batches(train, len(train["user_id"]) // len(lists), shuffle=True, seed=1)
    models = {"rows": make_model(train, None)}
    models |= {name: make_model(train, loss) for name, loss in LOSSES.items()}
    seconds = {name: [] for name in models}
    for run in range(1 + runs):
        for name, model in models.items():
            elapsed = time_epoch(model, rows if name == "rows" else lists)
            if run:  # the first one traces the model
                seconds[name].append(elapsed)
    medians = {}
    for loss in LOSSES:
        name = f"epoch of lists: time of {loss} / squared error"
        pairs = zip(seconds[loss], seconds["rows"], strict=True)
        medians[name] = report_ratio(name, [listwise / single for listwise, single in pairs])
    return medians


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    ratios(parser.parse_args().runs)
