"""Rows that are streamed from Parquet files: peak memory, and the time of a pass.

A process of its own trains a tower on 2 million rows, another on 20 million, written by seed in
the same row groups; goal: a peak of at most 1.1 times. Then a pass over 2 million shuffled rows in
batches of 8192 is timed against `rk.data.batches` of the same rows in memory, and against a plain
`tf.data.Dataset.from_generator` of Arrow's batches, in alternation. Lower is better in all.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rankkit as rk
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import tensorflow as tf

USERS, ITEMS, ROWS_A_FILE, ROWS_A_GROUP = 200_000, 50_000, 1_000_000, 100_000
COLUMNS = ["user_id", "item_id", "rating"]
BATCH_SIZE = 8192
ROWS, MORE_ROWS = 2_000_000, 20_000_000


def write(folder, num_rows):
    """Writes ratings of text ids, the users' alike and the items' of different popularity."""
    users = pa.array([f"user-{number}" for number in range(USERS)])
    items = pa.array([f"item-{number}" for number in range(ITEMS)])
    for start in range(0, num_rows, ROWS_A_FILE):
        generator = np.random.default_rng(start)
        size = min(ROWS_A_FILE, num_rows - start)
        popular = (generator.random(size) ** 3 * ITEMS).astype(np.int64)
        table = pa.table(
            {
                "user_id": users.take(pa.array(generator.integers(0, USERS, size))),
                "item_id": items.take(pa.array(popular)),
                "rating": generator.integers(1, 6, size).astype(np.float32),
            }
        )
        path = folder / f"{start:012}.parquet"
        pq.write_table(table, path, row_group_size=ROWS_A_GROUP)


def train(folder):
    """Trains one epoch and prints the most memory that this process had, in KiB."""
    stream = rk.data.read_parquet(folder, COLUMNS, BATCH_SIZE, shuffle=True, seed=1)
    known = rk.data.vocabularies(stream, ["user_id", "item_id"])
    features = {name: rk.layers.IdEmbedding(ids, 8) for name, ids in known.items()}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    model.fit(stream, verbose=0)
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def peak(folder, num_rows):
    rows = pathlib.Path(folder, str(num_rows))
    rows.mkdir()
    write(rows, num_rows)
    command = [sys.executable, __file__, "--train", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def generated(folder):
    """What one writes without: Arrow's batches handed to TensorFlow by a generator."""

    def batches():
        for batch in ds.dataset(folder).to_batches(columns=COLUMNS, batch_size=BATCH_SIZE):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in COLUMNS}

    text = tf.TensorSpec([None], tf.string)
    signature = {"user_id": text, "item_id": text, "rating": tf.TensorSpec([None], tf.float32)}
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def seconds_of(batched):
    started = time.perf_counter()
    for _ in batched:
        pass
    return time.perf_counter() - started


def ratios(rows=ROWS, more_rows=MORE_ROWS, runs=7):
    """Measures, and gives each name with its ratio; lower is better."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = peak(folder, rows), peak(folder, more_rows)
        files = pathlib.Path(folder, str(rows))
        table = pq.read_table(files, columns=COLUMNS)
        arrays = {name: table[name].to_numpy() for name in COLUMNS}
        ways = {
            "streamed": rk.data.read_parquet(files, COLUMNS, BATCH_SIZE, shuffle=True),
            "in memory": rk.data.batches(arrays, BATCH_SIZE, shuffle=True),
            "generated, in order": generated(files),
        }
        times = {name: [] for name in ways}
        for run in range(1 + runs):
            for name, batched in ways.items():
                took = seconds_of(batched)
                if run:  # the first is traced
                    times[name].append(took)
    found = {f"peak memory of training, {more_rows:,} rows / {rows:,} rows": many / few}
    for other in list(ways)[1:]:
        each = zip(times["streamed"], times[other], strict=True)
        found[f"pass over shuffled rows, streamed / {other}"] = statistics.median(
            one / another for one, another in each
        )
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--more-rows", type=int, default=MORE_ROWS)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--train", help="train on the files of this folder and print the peak")
    args = parser.parse_args()
    if args.train:
        train(args.train)
        return
    for name, ratio in ratios(args.rows, args.more_rows, args.runs).items():
        print(f"{name} = {ratio:.2f}")


if __name__ == "__main__":
    main()
