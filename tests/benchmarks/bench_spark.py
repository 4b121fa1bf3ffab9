"""Scoring a population through Spark on all cores against this process on as many.

Every user of MovieLens 100K, four times over, with every movie, by the tutorial's network as a
SavedModel: Spark writes the ten best of each to Parquet, the process keeps them in memory. It does
so by the same batches, with all of TensorFlow's threads. Pairs are scored in the same way: the rows
of a Parquet table, read and written by both. One call of each comes first and is not counted: it
starts Java, Spark's Python workers, and TensorFlow in them. Goal: at least 0.6 of the throughput.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TIMES, FILES, K, RUNS = 4, 4, 10, 3


def tables(folder):
    """Users and movies, and a Parquet table of pairs."""
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
    return list(users) * TIMES, list(movies)


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


def in_process(path, users, movies):
    """The best of every user, by the same batches without Spark."""
    import numpy as np
    import rankkit as rk
    import tensorflow as tf
    from rankkit.core.chunking import chunk_rows
    from rankkit.spark.top_k import Pairs, Rows, rank_in_batches

    nothing = Pairs(np.zeros(0, int), np.zeros(0, int))
    people = Rows({"user_id": tf.constant(users)}, len(users))
    pool = Rows({"movie_title": tf.constant(movies)}, len(movies))
    scorer = rk.export.load(path)
    return rank_in_batches(scorer, people, pool, K, nothing, chunk_rows(scorer))


def pairs_in_process(path, pairs, output):
    """A score beside every row of a Parquet table, without Spark."""
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


def seconds_of(function, *args, **kwargs):
    started = time.perf_counter()
    function(*args, **kwargs)
    return time.perf_counter() - started


def ratios(runs: int = RUNS) -> dict[str, float]:
    """Throughput through Spark over that of the process, by name; medians of alternating runs."""
    import rankkit as rk
    from rankkit.spark._session import get_session

    found: dict[str, list[float]] = {"spark_top_k": [], "spark_score": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        users, movies = tables(folder)
        path, pairs = export(folder, users, movies), folder / "pairs"
        people, pool = {"user_id": users}, {"movie_title": movies}
        session = get_session(None)
        for run in range(1 + runs):
            theirs = seconds_of(in_process, path, users, movies)
            ours = seconds_of(rk.spark.top_k, path, people, pool, k=K, output=folder / f"best{run}")
            pairs_theirs = seconds_of(pairs_in_process, path, pairs, folder / f"p{run}.parquet")
            pairs_ours = seconds_of(rk.spark.score, path, pairs, output=folder / f"scores{run}")
            if run:
                found["spark_top_k"].append(theirs / ours)
                found["spark_score"].append(pairs_theirs / pairs_ours)
        session.stop()
    return {name: statistics.median(each) for name, each in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    for name, ratio in ratios(parser.parse_args().runs).items():
        print(f"{name}: throughput of Spark / in process = {ratio:.2f}")


if __name__ == "__main__":
    main()
