"""Time of a training step with ten million ids / with ten thousand. Goal: at most 1.2.

Adagrad and `LazyAdam` update only the rows of the batch, so the time should not depend on the
vocabulary. Keras's Adam, which updates the whole table, is compared with `LazyAdam`.
"""

import argparse
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

from alternating import Worker, report_ratio, run_alternating, serve

FEW, MANY = 10_000, 10_000_000
ROWS, BATCH_SIZE, EMBEDDING_DIM = 200_000, 1024, 16


def serve_training(optimizer, count, rows=ROWS):
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
        "user_id": rk.layers.IdEmbedding(list(range(count)), EMBEDDING_DIM),
        "item_id": rk.layers.IdEmbedding(list(range(FEW)), EMBEDDING_DIM),
    }
    model = rk.RankingModel(rk.models.tower(features, hidden_units=[256, 64]), label="rating")
    optimizers = {"LazyAdam": rk.optimizers.LazyAdam, "Adam": tf.keras.optimizers.Adam}
    model.compile(optimizers.get(optimizer, tf.keras.optimizers.Adagrad)(0.01))
    batches = rk.data.batches(columns, BATCH_SIZE, shuffle=True, seed=1)
    serve(lambda: model.fit(batches, epochs=1, verbose=0))


def ratios(runs=7):
    medians = {}
    for optimizer in ("Adagrad", "LazyAdam"):
        workers = {
            name: Worker("bench_vocabulary.py", "--worker", optimizer, "--count", count)
            for name, count in (("few", FEW), ("many", MANY))
        }
        seconds = run_alternating(workers, runs)
        name = f"step with {optimizer}: time of ten million ids / ten thousand"
        pairs = zip(seconds["many"], seconds["few"], strict=True)
        medians[name] = report_ratio(name, [many / few for many, few in pairs])
    arguments = ("--count", MANY, "--rows", 16 * 1024)  # Keras's Adam is slow: a few steps
    workers = {
        name: Worker("bench_vocabulary.py", "--worker", name, *arguments)
        for name in ("Adam", "LazyAdam")
    }
    seconds = run_alternating(workers, 3)
    name = "step with ten million ids: time of Adam / LazyAdam"
    pairs = zip(seconds["Adam"], seconds["LazyAdam"], strict=True)
    medians[name] = report_ratio(name, [adam / lazy for adam, lazy in pairs])
    return medians


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--worker", help="train with this optimizer as a worker")
    parser.add_argument("--count", type=int, default=FEW)
    parser.add_argument("--rows", type=int, default=ROWS)
    args = parser.parse_args()
    if args.worker:
        serve_training(args.worker, args.count, args.rows)
    else:
        ratios(args.runs)
