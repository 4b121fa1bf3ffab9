"""One user against 1,000 and 100,000 candidates; `model.predict` and LightGBM on as many rows.

The tutorial's network on MovieLens 100K, asked for the best 10: the live model, its SavedModel,
and both with the candidates registered ahead. Against them: `model.predict` on the same rows, in
one batch, which is its best; and 200 LightGBM trees of ids, age, gender, occupation and time, on
as many rows. All start from Python values, but LightGBM from its matrix, and `predict` from
arrays. Goals at 1,000: at least 5 times as fast as the first, and faster than the second.
"""

import argparse
import os
import random
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import rankkit as rk

IDS = ("user_id", "movie_title")
NUMBERS = ("raw_user_age", "user_gender", "user_occupation_label", "timestamp")
K = 10


def trees_of(rows):
    """LightGBM's model and the columns it reads; `None` where it is not installed."""
    try:
        import lightgbm  # pyright: ignore[reportMissingImports]
    except ImportError:
        print('LightGBM is missing, and not compared with: pip install "rankkit[bench]"')
        return None
    codes = [np.unique(rows[name], return_inverse=True)[1] for name in IDS]
    matrix = np.column_stack([*codes, *(rows[name] for name in NUMBERS)]).astype(float)
    data = lightgbm.Dataset(matrix, rows["user_rating"])
    return lightgbm.train({"objective": "regression", "verbose": -1}, data, 200), matrix


def contestants(rows, count, folder):
    """Name to what is timed, ranking or scoring `count` candidates of one user."""
    features = {name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 32) for name in IDS}
    model = rk.RankingModel(rk.models.tower(features), label="user_rating")
    model.compile("adagrad")
    known = rk.data.vocabulary(rows["movie_title"])
    titles = [known[place % len(known)] for place in range(count)]
    candidates, query = {"movie_title": titles}, {"user_id": "42"}
    rk.export.save(model, f"{folder}/{count}", candidates=candidates)
    scorer = rk.export.load(f"{folder}/{count}")
    pool = rk.CandidateIndex(model, candidates)
    arrays = {"user_id": np.full(count, "42", object), "movie_title": np.array(titles, object)}
    found = {
        "live model": lambda: rk.rank(model, query, candidates, K),
        "SavedModel": lambda: rk.rank(scorer, query, candidates, K),
        "registered, live model": lambda: rk.rank(model, query, pool, K),
        "registered, SavedModel": lambda: rk.rank(scorer, query, scorer.candidates, K),
        "model.predict": lambda: model.predict(arrays, batch_size=count, verbose=0),
    }
    trees = trees_of(rows)
    if trees is not None:
        machine, matrix = trees
        as_many = np.resize(matrix, (count, matrix.shape[1]))
        found["LightGBM"] = lambda: machine.predict(as_many)
    return found


def milliseconds(calls, runs):
    """Name to the times of alternating calls, the first ones, which are traced, left out."""
    found = {name: [] for name in calls}
    order = random.Random(0)
    for run in range(3 + runs):
        # Threads of LightGBM go on spinning for a while, at the cost of whoever comes next.
        for name, call in order.sample(list(calls.items()), len(calls)):
            time.sleep(0.01)
            started = time.perf_counter()
            call()
            if run >= 3:
                found[name].append(1e3 * (time.perf_counter() - started))
    return found


def ratios(runs=200):
    """Name to how many times as fast ours is, by the medians and by the 99th percentiles."""
    rows = rk.data.movielens("100k", columns=[*IDS, *NUMBERS, "user_rating"])
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count, times in ((1_000, runs), (100_000, max(3, runs // 20))):
            took = milliseconds(contestants(rows, count, folder), times)
            theirs = [name for name in ("model.predict", "LightGBM") if name in took]
            for name, each in took.items():
                middle, last = np.quantile(each, [0.5, 0.99])
                print(f"{count:,}, {name}: median {middle:.2f} ms, 99th percentile {last:.2f} ms")
            for ours in set(took) - set(theirs):
                for other in theirs:
                    by_run = [b / a for a, b in zip(took[ours], took[other], strict=True)]
                    name = f"rank {count:,}, {ours}, times as fast as {other}"
                    found[name] = statistics.median(by_run)
                    if times >= 100:  # of fewer, there is no such percentile
                        last = np.quantile(took[other], 0.99) / np.quantile(took[ours], 0.99)
                        found[f"{name}, 99th percentile"] = float(last)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    for name, ratio in sorted(ratios(parser.parse_args().runs).items()):
        print(f"{name}: {ratio:.1f}")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
