"""Speedup of ranking 1,000 and 100,000 candidates over `model.predict` and LightGBM.

Measured are the top 10 for one user of MovieLens 100K by the tutorial's network: the model and its
SavedModel, each with columns of candidates and with a candidate index, and, for candidates with
vectors of 300 numbers, all candidates and the top 10 against the network's own call. The baselines
score the same number of rows: `model.predict` in a single batch, its fastest setting, and 200
LightGBM trees on ids, age, gender, occupation and timestamp. Ranking starts from Python values,
`predict` from arrays and LightGBM from its matrix. Goals at 1,000: at least 5 over `predict`,
above 1 over LightGBM; of vectors at every size, at least 0.33 over the network's call.
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
import tensorflow as tf

IDS = ("user_id", "movie_title")
NUMBERS = ("raw_user_age", "user_gender", "user_occupation_label", "timestamp")
K = 10


def train_trees(rows):
    """Returns LightGBM's model and its matrix, or `None` if LightGBM is not installed."""
    try:
        import lightgbm  # pyright: ignore[reportMissingImports]
    except ImportError:
        print('LightGBM is not installed and left out: pip install ".[bench]"')
        return None
    indices = [np.unique(rows[name], return_inverse=True)[1] for name in IDS]
    matrix = np.column_stack([*indices, *(rows[name] for name in NUMBERS)]).astype(float)
    data = lightgbm.Dataset(matrix, rows["user_rating"])
    return lightgbm.train({"objective": "regression", "verbose": -1}, data, 200), matrix


def make_functions(rows, count, folder):
    """Returns the functions to time: each ranks or scores `count` candidates of one user."""
    features = {name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 32) for name in IDS}
    model = rk.RankingModel(rk.models.tower(features), label="user_rating")
    model.compile("adagrad")
    known = rk.data.vocabulary(rows["movie_title"])
    titles = [known[number % len(known)] for number in range(count)]
    candidates, query = {"movie_title": titles}, {"user_id": "42"}
    rk.export.save(model, f"{folder}/{count}", candidates=candidates)
    scorer = rk.export.load(f"{folder}/{count}")
    index = rk.CandidateIndex(model, candidates)
    arrays = {"user_id": np.full(count, "42", object), "movie_title": np.array(titles, object)}
    functions = {
        "model": lambda: rk.rank(model, query, candidates, K),
        "SavedModel": lambda: rk.rank(scorer, query, candidates, K),
        "model with index": lambda: rk.rank(model, query, index, K),
        "SavedModel with index": lambda: rk.rank(scorer, query, scorer.candidates, K),
        "model.predict": lambda: model.predict(arrays, batch_size=count, verbose=0),
    }
    trained = train_trees(rows)
    if trained is not None:
        trees, matrix = trained
        resized = np.resize(matrix, (count, matrix.shape[1]))
        functions["LightGBM"] = lambda: trees.predict(resized)
    return functions


def make_vector_functions(count):
    """Returns functions that rank or score `count` vectors for one user."""
    vector = tf.keras.layers.Dense(16)
    vector.feature_spec = tf.TensorSpec((None, 300), tf.float32)
    network = rk.models.tower({"user_id": rk.layers.IdEmbedding(["42"], 16), "vector": vector})
    vectors = np.random.default_rng(0).normal(size=(count, 300)).astype(np.float32)
    features = {"user_id": tf.constant(["42"] * count), "vector": tf.constant(vectors)}
    query, candidates = {"user_id": "42"}, {"vector": vectors}
    return {
        "vectors, top 10": lambda: rk.rank(network, query, candidates, K),
        "all vectors": lambda: rk.rank(network, query, candidates),
        "call of the network": lambda: network(features).numpy(),
    }


def time_functions(functions, runs):
    """Returns the milliseconds of alternating calls, without three calls to warm up."""
    times = {name: [] for name in functions}
    generator = random.Random(0)
    for run in range(3 + runs):
        # In random order and after a pause: LightGBM's threads spin for a while after a call.
        for name, function in generator.sample(list(functions.items()), len(functions)):
            time.sleep(0.01)
            start = time.perf_counter()
            function()
            if run >= 3:
                times[name].append(1e3 * (time.perf_counter() - start))
    return times


def ratios(runs=200):
    """Returns speedups by name: the median over runs, and that of the 99th percentiles."""
    rows = rk.data.movielens("100k", columns=[*IDS, *NUMBERS, "user_rating"])
    speedups = {}
    with tempfile.TemporaryDirectory() as folder:
        for count, num_runs in ((1_000, runs), (100_000, max(3, runs // 20))):
            times = time_functions(make_functions(rows, count, folder), num_runs)
            baselines = [name for name in ("model.predict", "LightGBM") if name in times]
            of_vectors = time_functions(make_vector_functions(count), num_runs)
            call = of_vectors["call of the network"]
            for name in ("vectors, top 10", "all vectors"):
                by_run = [b / a for a, b in zip(of_vectors[name], call, strict=True)]
                speedup = f"rank {count:,} candidates: speedup of {name} over a call of the network"
                speedups[speedup] = statistics.median(by_run)
            for name, each in times.items():
                median, p99 = np.quantile(each, [0.5, 0.99])
                print(f"{count:,}, {name}: median {median:.2f} ms, 99th percentile {p99:.2f} ms")
            for ours in set(times) - set(baselines):
                for baseline in baselines:
                    by_run = [b / a for a, b in zip(times[ours], times[baseline], strict=True)]
                    name = f"rank {count:,} candidates: speedup of {ours} over {baseline}"
                    speedups[name] = statistics.median(by_run)
                    if num_runs >= 100:  # a 99th percentile needs at least 100 runs
                        p99 = np.quantile(times[baseline], 0.99) / np.quantile(times[ours], 0.99)
                        speedups[f"{name}, 99th percentile"] = float(p99)
    return speedups


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    for name, ratio in sorted(ratios(parser.parse_args().runs).items()):
        print(f"{name}: {ratio:.1f}")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
