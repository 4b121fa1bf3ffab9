"""Time of ranking 1,000 candidates with a history of 100 events, over that without the history.

Measured is `rank` for one user by `rankkit.models.din`, the live model and its SavedModel, over the
same network with the embedding of the item in place of the layer of the history. Printed beside it
is the time of the matrix product that the layer cannot do without: for each candidate and event,
the vectors of both times the weights of the hidden units. Goal: at most 2, live and saved. The same
for `rankkit.models.sasrec` over the dot product of user and item. Goal: at most 1.3. Beside it is
the ratio of the same layer with nothing but the matrix products of its blocks, with one head.
"""

import argparse
import os
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import rankkit as rk
import tensorflow as tf

ITEMS, EVENTS, CANDIDATES, DIM, UNITS, K = 5_000, 100, 1_000, 32, 16, 10
WAYS = "model", "SavedModel"
SIZES = (DIM, 3 * DIM), (DIM, DIM), (DIM, 4 * DIM), (4 * DIM, DIM)


class Products(rk.layers.NextItemScore):
    """The matrix products of the blocks alone."""

    def _states(self, codes, *, last, training=None):
        x, rng = self._embed_events(codes, training)[0][0], np.random.default_rng(0)
        for _ in range(self.num_blocks):
            kernels = [tf.constant(rng.normal(size=size, scale=0.1), tf.float32) for size in SIZES]
            of_heads, attended, hidden, outputs = kernels
            q, k, v = tf.split(x @ of_heads, 3, axis=1)
            x = tf.matmul(q, k, transpose_b=True) @ v @ attended @ hidden @ outputs
        return x[-1:]


def make_functions(folder):
    """Returns the functions to time, by name."""
    items = [f"item {number}" for number in range(ITEMS)]
    rng = np.random.default_rng(0)
    history, candidates = (rng.choice(items, n).tolist() for n in (EVENTS, CANDIDATES))
    query, candidates = {"user_id": "42"}, {"item_id": candidates}

    def features():
        ids = {"user_id": ["7", "42"], "item_id": items}
        return {name: rk.layers.IdEmbedding(known, DIM) for name, known in ids.items()}

    def dot():  # SASRec without a history: the vectors of a user and of the candidate
        interaction = rk.interactions.FactorizationMachine()
        return rk.ranking_network(features(), interaction=interaction)

    item = {"item_id": features()["item_id"]}

    def products():
        layer = Products(rk.layers.IdEmbedding(items, DIM), max_length=EVENTS)
        read = {"item_id": (("history_item_id", "item_id"), layer)}
        return rk.ranking_network(read, interaction=lambda scores: scores[0])

    networks = {
        "without": rk.models.tower(features()),
        "with": rk.models.din(features(), max_length=EVENTS, attention_units=[UNITS]),
        "SASRec without": dot(),
        "SASRec with": rk.models.sasrec(item, max_length=EVENTS),
        "SASRec products": products(),
    }
    with_history = {**query, "history_item_id": history}
    queries = {name: query if "without" in name else with_history for name in networks}
    functions = {}
    for name, network in networks.items():
        rk.export.save(network, f"{folder}/{len(functions) + 1}")
        saved = rk.export.load(f"{folder}/{len(functions) + 1}")
        for way, scorer in zip(WAYS, (network, saved), strict=True):

            def call(scorer=scorer, name=name):
                return rk.rank(scorer, queries[name], candidates, K)

            functions[f"{way} {name}"] = call
    vectors = tf.random.normal((CANDIDATES, DIM))
    kernel = tf.random.normal((DIM, EVENTS * UNITS))
    product = tf.function(tf.matmul)
    functions["matrix product"] = lambda: product(vectors, kernel).numpy()
    return functions


def ratios(num_runs=200):
    """Returns the time of ranking with the history over that without, by way of ranking."""
    with tempfile.TemporaryDirectory() as folder:
        functions = make_functions(folder)
        seconds = {name: [] for name in functions}
        for run in range(num_runs + 5):
            for name, function in functions.items():
                start = time.perf_counter()
                function()
                if run >= 5:
                    seconds[name].append(time.perf_counter() - start)
    for name, times in seconds.items():
        print(f"{name}: median {1e3 * statistics.median(times):.2f} ms")
    found = {}
    kinds = [(way, kind) for kind in ("with", "SASRec with", "SASRec products") for way in WAYS]
    for way, kind in kinds:
        without = kind.replace("with", "without").replace("products", "without")
        pairs = zip(seconds[f"{way} {kind}"], seconds[f"{way} {without}"], strict=True)
        by_run = [a / b for a, b in pairs]
        found[f"rank 1,000 candidates, {way} {kind}: over none"] = statistics.median(by_run)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    for name, ratio in ratios(parser.parse_args().runs).items():
        print(f"{name}: {ratio:.2f}")
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
