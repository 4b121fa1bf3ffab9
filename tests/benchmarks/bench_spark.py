"""Throughput of Spark on all cores / of this process. Goal: at least 0.6.

The SavedModel of the tutorial's network ranks all movies for each user of MovieLens 100K, four
times. Spark writes the top ten of each user to Parquet; the process, with all threads of
TensorFlow and the same batches, keeps them in memory. Both also score a Parquet table of pairs and
write it with the scores. A first call of each is not timed: it starts Java, Spark's Python workers
and TensorFlow in them.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
REPEATS, FILES, K, RUNS = 4, 4, 10, 3


def make_tables(folder):
    """Writes a Parquet table of pairs, and returns users and movies."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=["user_id", "movie_title"])
    users, movies = (rk.data.vocabulary(ratings[name]) for name in ratings)
    movies, users = sorted((users, movies), key=len, reverse=True)
    (folder / "pairs").mkdir()
    columns = {"user_id": np.repeat(users, len(movies)), "movie_title": np.tile(movies, len(users))}
    half = slice(None, len(users) * len(movies) // 2)
    table = pa.table({name: pa.array(column[half].tolist()) for name, column in columns.items()})
    for file in range(FILES):
        pq.write_table(table, folder / "pairs" / f"{file}.parquet")
    return list(users) * REPEATS, list(movies)


def export(folder, users, movies):
    import rankkit as rk

    network = rk.ranking_network(
        {
            "user_id": rk.layers.IdEmbedding(sorted(set(users)), 32),
            "movie_title": rk.layers.IdEmbedding(movies, 32),
        },
        head=rk.layers.DenseRatingHead([256, 64]),
    )
    rk.export.save(network, folder / "1")
    return folder / "1"


def top_k_in_process(path, users, movies):
    """Returns the top movies of every user."""
    import numpy as np
    import rankkit as rk
    import tensorflow as tf
    from rankkit.core.chunking import chunk_rows
    from rankkit.spark.top_k import Pairs, Rows, rank_in_batches

    no_exclusions = Pairs(np.zeros(0, int), np.zeros(0, int))
    queries = Rows({"user_id": tf.constant(users)}, len(users))
    candidates = Rows({"movie_title": tf.constant(movies)}, len(movies))
    scorer = rk.export.load(path)
    return rank_in_batches(scorer, queries, candidates, K, no_exclusions, chunk_rows(scorer))


def score_in_process(path, pairs, output):
    """Writes a Parquet table with a column of scores."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import rankkit as rk
    from pyarrow import dataset
    from rankkit.ranking.scoring import compute_scores
    from rankkit.spark._tables import table_features

    scorer = rk.export.load(path)
    source = dataset.dataset(pairs)
    with pq.ParquetWriter(output, source.schema.append(pa.field("score", pa.float32()))) as writer:
        for batch in source.to_batches(batch_size=65_536):
            table = pa.Table.from_batches([batch])
            features = table_features("pairs", table, scorer.feature_specs)
            scores = compute_scores(scorer, [features], table.num_rows)
            writer.write_table(table.append_column("score", pa.array(scores, pa.float32())))


def time_call(function, *args, **kwargs):
    start = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - start


def ratios(runs: int = RUNS) -> dict[str, float]:
    """Returns throughput of Spark / of the process by name; medians of alternating runs."""
    import rankkit as rk
    from rankkit.spark._session import get_session

    measured: dict[str, list[float]] = {"spark_top_k": [], "spark_score": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users, movies = make_tables(folder)
        path, pairs = export(folder, users, movies), folder / "pairs"
        queries, candidates = {"user_id": users}, {"movie_title": movies}
        session = get_session(None)
        for run in range(1 + runs):
            process = time_call(top_k_in_process, path, users, movies)
            spark = time_call(
                rk.spark.top_k, path, queries, candidates, k=K, output=folder / f"top{run}"
            )
            if run:  # the first one warms up
                measured["spark_top_k"].append(process / spark)
            process = time_call(score_in_process, path, pairs, folder / f"scores{run}.parquet")
            spark = time_call(rk.spark.score, path, pairs, output=folder / f"scores{run}")
            if run:
                measured["spark_score"].append(process / spark)
        session.stop()
    return {name: statistics.median(each) for name, each in measured.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    for name, ratio in ratios(parser.parse_args().runs).items():
        print(f"{name}: throughput of Spark / in process = {ratio:.2f}")


if __name__ == "__main__":
    main()
