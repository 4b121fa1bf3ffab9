"""A training step with ten million ids against one with ten thousand, as many rows in each.

Each optimizer is measured against itself: Adagrad and `LazyAdam`, whose steps should cost what the
batch is, not what the vocabulary is, and Keras's Adam, which touches the whole table. Goal: at most
1.2 times the time.
"""

import argparse
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from alternating import Worker, in_turn, serve, told

FEW, MANY = 10_000, 10_000_000
ROWS, BATCH_SIZE, WIDTH = 200_000, 1024, 16


def worker(optimizer, count, rows=ROWS):
    import numpy as np
    import rankkit as rk
    import tensorflow as tf

    generator = np.random.default_rng(0)
    columns = {
        "user_id": generator.integers(0, count, rows),
        "item_id": generator.integers(0, FEW, rows),
        "rating": generator.integers(1, 6, rows).astype(np.float32),
    }
    features = {
        "user_id": rk.layers.IdEmbedding(list(range(count)), WIDTH),
        "item_id": rk.layers.IdEmbedding(list(range(FEW)), WIDTH),
    }
    model = rk.RankingModel(rk.models.tower(features, hidden_units=[256, 64]), label="rating")
    optimizers = {"LazyAdam": rk.optimizers.LazyAdam, "Adam": tf.keras.optimizers.Adam}
    model.compile(optimizers.get(optimizer, tf.keras.optimizers.Adagrad)(0.01))
    batches = rk.data.batches(columns, BATCH_SIZE, shuffle=True, seed=1)
    serve(lambda: model.fit(batches, epochs=1, verbose=0))


def ratios(runs=7):
    found = {}
    for optimizer in ("Adagrad", "LazyAdam"):
        workers = {
            name: Worker("bench_vocabulary.py", "--worker", optimizer, "--count", count)
            for name, count in (("few", FEW), ("many", MANY))
        }
        seconds = in_turn(workers, runs)
        name = f"a step with {optimizer}: time of ten million ids / ten thousand"
        pairs = zip(seconds["many"], seconds["few"], strict=True)
        found[name] = told(name, [many / few for many, few in pairs])
    workers = {  # a few steps of Keras's own are enough
        way: Worker("bench_vocabulary.py", "--worker", way, "--count", MANY, "--rows", 16 * 1024)
        for way in ("Adam", "LazyAdam")
    }
    seconds = in_turn(workers, 3)
    name = "a step with ten million ids: time of Adam / LazyAdam"
    pairs = zip(seconds["Adam"], seconds["LazyAdam"], strict=True)
    found[name] = told(name, [theirs / ours for theirs, ours in pairs])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--worker", help="serve this optimizer")
    parser.add_argument("--count", type=int, default=FEW)
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker, args.count, args.rows)
    else:
        ratios(args.runs)
