"""Networks and LightGBM on documents with numeric features: NDCG of both, tuned equally.

Both get the same number of random configurations, early stopping on a validation part, and the
configuration with the best validation NDCG@10. Nothing is chosen on test rows. `both` is the mean
of their scores, standardized in each query, with a weight chosen on the validation part.

- `mq2008`: the five official folds of LETOR 4.0 MQ2008, in files `S1.txt.gz` to `S5.txt.gz`. Three
  parts are for training, one for the choice, one for the test.
- `lightgbm`: LightGBM's own example, in `rank.train`, `rank.test` and their `.query` files. The
  choice is made by cross-validation on the training queries; then both are trained on all of them,
  as long as the folds were on average, with five seeds.
"""

import argparse
import functools
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import lightgbm  # pyright: ignore[reportMissingImports]
import numpy as np
import rankkit as rk
import tensorflow as tf

LOSSES = {"lambda rank": rk.losses.LambdaRankLoss, "approx ndcg": rk.losses.ApproxNDCGLoss}
CUTOFFS = (1, 3, 5, 10)
ARGUMENTS = {"query": "query_id", "label": "label", "k": CUTOFFS, "relevant": 1.0}


# --- Data ---


def select(rows, mask):
    return {name: column[mask] for name, column in rows.items()}


def concatenate(parts):
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def read_mq2008(folder):
    """Yields the training, validation and test rows of each official fold."""
    parts = [rk.data.read_svmlight(folder / f"S{i}.txt.gz", num_features=46) for i in range(1, 6)]
    for i in range(5):
        order = [parts[(i + j) % 5] for j in range(5)]
        yield concatenate(order[:3]), order[3], order[4]


def read_lightgbm(folder):
    """Returns the training and test rows of LightGBM's example."""
    found = []
    for part in ("train", "test"):
        rows = rk.data.read_svmlight(folder / f"rank.{part}", num_features=301, zero_based=False)
        sizes = np.loadtxt(folder / f"rank.{part}.query", dtype=int)
        found.append({**rows, "query_id": rk.data.group_ids(sizes, num_rows=len(rows["label"]))})
    return found


# --- Configurations ---


def draw_trees(rng):
    return {
        "learning_rate": float(10 ** rng.uniform(-2, -0.7)),
        "num_leaves": int(2 ** rng.uniform(2, 6)),
        "min_data_in_leaf": int(2 ** rng.uniform(2, 7)),
        "feature_fraction": float(rng.uniform(0.3, 1)),
        "bagging_fraction": float(rng.uniform(0.5, 1)),
        "bagging_freq": 1,
        "lambda_l2": float(10 ** rng.uniform(-2, 2)),
        "lambdarank_truncation_level": int(rng.choice([5, 10, 20, 30])),
    }


def draw_network(rng):
    return {
        "inputs": str(rng.choice(["standard", "quantile", "both"])),
        "hidden_units": [[], [16], [32], [64, 32]][rng.integers(4)],
        "noise": float(rng.uniform(0, 0.6)),
        "dropout_rate": float(rng.uniform(0, 0.5)),
        "learning_rate": float(10 ** rng.uniform(-3, -2)),
        "l2": float(10 ** rng.uniform(-5, -2)),
        "batch_size": int(rng.choice([8, 16, 32])),
        "loss": str(rng.choice(list(LOSSES))),
    }


# --- Training ---


def fit_trees(config, train, validation, seed, rounds=1000):
    """Trains LightGBM; returns a scorer of rows and the number of rounds."""
    parameters = {
        **{"objective": "lambdarank", "metric": "ndcg", "eval_at": [10], "verbose": -1},
        **{"num_threads": os.cpu_count(), "seed": seed, **config},
    }
    sets = [
        lightgbm.Dataset(
            rows["features"],
            rows["label"],
            group=rk.data.group_sizes(rows["query_id"]),
            params={"verbose": -1},
        )
        for rows in (train, validation)
        if rows is not None
    ]
    stopping = [lightgbm.early_stopping(50, verbose=False)] if validation is not None else []
    booster = lightgbm.train(parameters, sets[0], rounds, valid_sets=sets[1:], callbacks=stopping)
    return lambda rows: booster.predict(rows["features"]), booster.best_iteration or rounds


def fit_network(config, train, validation, seed, epochs=100):
    """Trains a network; returns a scorer of rows and the number of epochs."""
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    features = {
        name: ("features", rk.layers.NormalizedNumbers.from_column(train["features"], transform=t))
        for name, t in (("standard", None), ("quantile", "quantile"))
        if config["inputs"] in (name, "both")
    }
    head = rk.layers.DenseRatingHead(
        config["hidden_units"],
        dropout_rate=config["dropout_rate"],
        kernel_regularizer=tf.keras.regularizers.L2(config["l2"]),
    )
    noise = tf.keras.layers.GaussianNoise(config["noise"])
    network = rk.ranking_network(features, head=tf.keras.Sequential([noise, head]))
    model = rk.RankingModel(network, label="label")
    model.compile(
        tf.keras.optimizers.Adam(config["learning_rate"]), LOSSES[config["loss"]](), metrics=[]
    )
    labels, queries = train["label"], train["query_id"]
    pairs = np.unique(np.stack([queries, labels]), axis=1)[0]
    informative = np.unique(pairs)[np.unique(pairs, return_counts=True)[1] > 1]
    lists = rk.data.lists(
        select(train, np.isin(queries, informative)),
        config["batch_size"],
        query="query_id",
        shuffle=True,
        seed=seed,
    )
    callbacks = []
    if validation is not None:
        callbacks = [
            rk.evaluation.RankingMetrics(validation, query="query_id", k=10, relevant=1.0),
            tf.keras.callbacks.EarlyStopping(
                "val_ndcg_at_10", mode="max", patience=20, restore_best_weights=True
            ),
        ]
    history = model.fit(lists, epochs=epochs, verbose=0, callbacks=callbacks).history
    best = history.get("val_ndcg_at_10", [0] * epochs)
    return lambda rows: model.predict(rows, batch_size=8192, verbose=0)[:, 0], np.argmax(best) + 1


KINDS = {"trees": (draw_trees, fit_trees), "network": (draw_network, fit_network)}


# --- Evaluation ---


def metrics(scores, rows, no_relevant="skip", cutoff=None) -> dict[str, Any]:
    arguments = {**ARGUMENTS, "k": cutoff or CUTOFFS}
    return rk.evaluate_ranking(
        scores, rows, no_relevant=no_relevant, num_bootstrap=1, **arguments
    ).metrics


def ndcg(scores, rows):
    return metrics(scores, rows, cutoff=10)["ndcg_at_10"]


def standardized(scores, rows):
    """Scores with mean 0 and standard deviation 1 in each query."""
    _, queries = np.unique(rows["query_id"], return_inverse=True)
    counts = np.bincount(queries)
    centred = scores - (np.bincount(queries, scores) / counts)[queries]
    deviations = np.sqrt(np.bincount(queries, centred**2) / counts)[queries]
    return centred / np.maximum(deviations, 1e-9)


def mixture(scores, rows, weight):
    trees, network = (standardized(scores[kind], rows) for kind in ("trees", "network"))
    return weight * network + (1 - weight) * trees


def choose_weight(scores, rows):
    weights = np.linspace(0, 1, 5)
    return float(max(weights, key=lambda weight: ndcg(mixture(scores, rows, weight), rows)))


def show(name, rows, scores):
    """Prints the NDCG of a part by all conventions."""
    for no_relevant in ("one", "skip", "zero"):
        found = metrics(scores, rows, no_relevant)
        values = "  ".join(f"@{k} {found[f'ndcg_at_{k}']:.4f}" for k in CUTOFFS)
        print(f"{name:24} {no_relevant:5} NDCG {values}", flush=True)


def compare(rows, scores):
    """Prints the differences from LightGBM with intervals, over all test queries."""
    for no_relevant in ("one", "skip"):
        found = rk.evaluation.compare_rankings(scores, rows, no_relevant=no_relevant, **ARGUMENTS)
        for line in found.lines:
            low, high = line["ndcg_at_10_low"], line["ndcg_at_10_high"]
            difference = f"{line['ndcg_at_10']:+.4f} ({low:+.4f} to {high:+.4f})"
            print(f"{line['scorer']} - trees, {no_relevant}: NDCG@10 {difference}", flush=True)


def run_mq2008(folder, num_configurations, num_seeds):
    tests, test_scores = [], {kind: [] for kind in ("trees", "network", "both")}
    drawn = {kind: [] for kind in KINDS}
    for kind, (draw, _) in KINDS.items():
        rng = np.random.default_rng(0)
        drawn[kind] = [draw(rng) for _ in range(num_configurations)]
    for number, (train, validation, test) in enumerate(read_mq2008(folder), 1):
        scores = {"validation": {}, "test": {}}
        for kind, (_, fit) in KINDS.items():
            start, found = time.perf_counter(), []
            for config in drawn[kind]:
                score, length = fit(config, train, validation, seed=0)
                of_parts = score(validation), score(test)
                found.append((ndcg(of_parts[0], validation), length, config, of_parts))
            best, length, config, of_parts = max(found, key=lambda each: each[0])
            several = [of_parts]
            for seed in range(1, num_seeds):
                score, _ = fit(config, train, validation, seed)
                several.append((score(validation), score(test)))
            for index, part in enumerate(("validation", "test")):
                rows = (validation, test)[index]
                each = [standardized(parts[index], rows) for parts in several]
                scores[part][kind] = np.mean(each, axis=0)
            seconds = time.perf_counter() - start
            print(f"fold {number}, {kind}: validation {best:.4f}, {length} rounds, {seconds:.0f} s")
            print(f"  {config}", flush=True)
        weight = choose_weight(scores["validation"], validation)
        scores["test"]["both"] = mixture(scores["test"], test, weight)
        tests.append(test)
        for kind, each in scores["test"].items():
            test_scores[kind].append(each)
            show(f"fold {number}, {kind}", test, each)
    for kind, each in test_scores.items():
        for no_relevant in ("one", "skip", "zero"):
            folds = [metrics(s, t, no_relevant) for s, t in zip(each, tests, strict=True)]
            means = {k: np.mean([fold[f"ndcg_at_{k}"] for fold in folds]) for k in CUTOFFS}
            values = "  ".join(f"@{k} {mean:.4f}" for k, mean in means.items())
            print(f"{'mean of folds, ' + kind:24} {no_relevant:5} NDCG {values}", flush=True)
    compare(concatenate(tests), {kind: np.concatenate(each) for kind, each in test_scores.items()})


def run_lightgbm(folder, num_configurations, num_seeds):
    train, test = read_lightgbm(folder)
    queries = np.unique(train["query_id"])
    parts = np.array_split(np.random.default_rng(0).permutation(queries), 5)
    folds = [np.isin(train["query_id"], part) for part in parts]
    scores = {"trees, own settings": np.mean([own_settings(folder, s) for s in range(5)], axis=0)}
    out_of_fold = {}
    for kind, (draw, fit) in KINDS.items():
        rng, found = np.random.default_rng(0), []
        for _ in range(num_configurations):
            config, predicted, lengths = draw(rng), np.zeros(len(train["label"])), []
            for fold in folds:
                validation = select(train, fold)
                score, length = fit(config, select(train, ~fold), validation, seed=0)
                predicted[fold] = standardized(score(validation), validation)
                lengths.append(length)
            found.append((ndcg(predicted, train), int(np.mean(lengths)), config, predicted))
        best, length, config, out_of_fold[kind] = max(found, key=lambda each: each[0])
        print(f"{kind}: cross-validation {best:.4f}, {length} rounds\n  {config}", flush=True)
        several = [fit(config, train, None, seed, length)[0](test) for seed in range(num_seeds)]
        for seed, each in enumerate(several):
            show(f"{kind}, seed {seed}", test, each)
        scores[kind] = np.mean([standardized(each, test) for each in several], axis=0)
    weight = choose_weight(out_of_fold, train)
    scores["both"] = mixture(scores, test, weight)
    for name, each in scores.items():
        show(name, test, each)
    own = scores.pop("trees, own settings")
    compare(test, scores)
    compare(test, {"trees": own, "network": scores["network"]})


@functools.cache
def own_settings(folder, seed):
    """Scores of the test rows by LightGBM with the settings of the example's `train.conf`."""
    train, test = read_lightgbm(folder)
    config = {
        **{"learning_rate": 0.1, "num_leaves": 31, "bagging_freq": 1, "bagging_fraction": 0.9},
        **{"min_data_in_leaf": 50, "min_sum_hessian_in_leaf": 5.0},
    }
    return fit_trees(config, train, None, seed, rounds=100)[0](test)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=["mq2008", "lightgbm"])
    parser.add_argument("folder", type=Path, help="folder with the files of the data set")
    parser.add_argument("--configurations", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5, help="of the chosen configuration")
    args = parser.parse_args()
    run = {"mq2008": run_mq2008, "lightgbm": run_lightgbm}[args.data]
    run(args.folder, args.configurations, args.seeds)
