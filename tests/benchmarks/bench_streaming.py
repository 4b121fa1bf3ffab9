"""Peak memory and time per epoch of rows streamed from Parquet files. Lower ratios are better.

Memory: of two processes, one trains a tower on 2 million rows, the other on 20 million, in row
groups of the same size. Goal: at most 1.1 times the peak. Time: an epoch over 2 million shuffled
rows in batches of 8192, in alternation with `rk.data.batches` of the same rows in memory and with
`tf.data.Dataset.from_generator` over Arrow's batches.
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

USERS, ITEMS, ROWS_PER_FILE, ROWS_PER_GROUP = 200_000, 50_000, 1_000_000, 100_000
COLUMNS = ["user_id", "item_id", "rating"]
BATCH_SIZE = 8192
ROWS, MORE_ROWS = 2_000_000, 20_000_000


def write_ratings(folder, num_rows):
    """Writes ratings with text ids: uniform users, items of different popularity."""
    users = pa.array([f"user-{number}" for number in range(USERS)])
    items = pa.array([f"item-{number}" for number in range(ITEMS)])
    for start in range(0, num_rows, ROWS_PER_FILE):
        generator = np.random.default_rng(start)
        size = min(ROWS_PER_FILE, num_rows - start)
        item_numbers = (generator.random(size) ** 3 * ITEMS).astype(np.int64)
        table = pa.table(
            {
                "user_id": users.take(pa.array(generator.integers(0, USERS, size))),
                "item_id": items.take(pa.array(item_numbers)),
                "rating": generator.integers(1, 6, size).astype(np.float32),
            }
        )
        path = folder / f"{start:012}.parquet"
        pq.write_table(table, path, row_group_size=ROWS_PER_GROUP)


def train(folder):
    """Trains for one epoch and prints the peak memory of the process in KiB."""
    stream = rk.data.read_parquet(folder, COLUMNS, BATCH_SIZE, shuffle=True, seed=1)
    vocabularies = rk.data.vocabularies(stream, ["user_id", "item_id"])
    features = {name: rk.layers.IdEmbedding(ids, 8) for name, ids in vocabularies.items()}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    model.fit(stream, verbose=0)
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def peak_memory(folder, num_rows):
    """Writes rows, trains on them in another process, and returns its peak memory in KiB."""
    rows = pathlib.Path(folder, str(num_rows))
    rows.mkdir()
    write_ratings(rows, num_rows)
    command = [sys.executable, __file__, "--train", str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def generate_batches(folder):
    """Returns a data set from a generator of Arrow's batches: the code without rankkit."""

    def batches():
        for batch in ds.dataset(folder).to_batches(columns=COLUMNS, batch_size=BATCH_SIZE):
            yield {name: batch[name].to_numpy(zero_copy_only=False) for name in COLUMNS}

    text = tf.TensorSpec([None], tf.string)
    signature = {"user_id": text, "item_id": text, "rating": tf.TensorSpec([None], tf.float32)}
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)


def time_epoch(batches):
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def ratios(rows=ROWS, more_rows=MORE_ROWS, runs=7):
    """Returns the ratios by name; lower is better."""
    with tempfile.TemporaryDirectory() as folder:
        few, many = peak_memory(folder, rows), peak_memory(folder, more_rows)
        files = pathlib.Path(folder, str(rows))
        table = pq.read_table(files, columns=COLUMNS)
        arrays = {name: table[name].to_numpy() for name in COLUMNS}
        data_sets = {
            "streamed": rk.data.read_parquet(files, COLUMNS, BATCH_SIZE, shuffle=True),
            "in memory": rk.data.batches(arrays, BATCH_SIZE, shuffle=True),
            "generator, in order": generate_batches(files),
        }
        times = {name: [] for name in data_sets}
        for run in range(1 + runs):
            for name, batches in data_sets.items():
                elapsed = time_epoch(batches)
                if run:  # the first one traces the data set
                    times[name].append(elapsed)
    medians = {f"peak memory of training, {more_rows:,} rows / {rows:,} rows": many / few}
    for name in list(data_sets)[1:]:
        pairs = zip(times["streamed"], times[name], strict=True)
        medians[f"epoch over shuffled rows: time of streamed / {name}"] = statistics.median(
            streamed / baseline for streamed, baseline in pairs
        )
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--more-rows", type=int, default=MORE_ROWS)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--train", help="train on the files of this folder and print the peak memory"
    )
    args = parser.parse_args()
    if args.train:
        train(args.train)
        return
    for name, ratio in ratios(args.rows, args.more_rows, args.runs).items():
        print(f"{name} = {ratio:.2f}")


if __name__ == "__main__":
    main()
