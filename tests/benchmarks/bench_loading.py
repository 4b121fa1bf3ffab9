"""MovieLens 100K as columns with vocabularies, against the tutorial's own way. Goal: 5 or more.

The tutorial's way is that of `tutorial_way.py`: `tfds.load`, a map, and each vocabulary through a
pass of tf.data. Both read what TFDS has prepared, in alternation in one process, and find the same
ids. The ratio is theirs over ours: how many times as fast; higher is better.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rankkit as rk
import numpy as np
import tensorflow_datasets as tfds

COLUMNS = ("movie_title", "user_id", "user_rating")
IDS = COLUMNS[:2]


def ours():
    ratings = rk.data.movielens("100k", columns=COLUMNS)
    return {name: rk.data.vocabulary(ratings[name]) for name in IDS}


def theirs():
    ratings = tfds.load("movielens/100k-ratings", split="train").map(
        lambda row: {name: row[name] for name in COLUMNS}
    )
    return {
        name: np.unique(
            np.concatenate(list(ratings.batch(1_000_000).map(lambda rows, name=name: rows[name])))
        )
        for name in IDS
    }


def seconds_of(way):
    started = time.perf_counter()
    found = way()
    return time.perf_counter() - started, found


def ratios(runs=5):
    """Measures, and gives the name with its ratio; higher is better."""
    found = []
    for run in range(1 + runs):
        (one, ids), (other, known) = seconds_of(ours), seconds_of(theirs)
        assert all(
            [str(each).encode() for each in ids[name]] == known[name].tolist() for name in IDS
        )
        if run:
            found.append(other / one)
    return {"columns and vocabularies, the tutorial's way / ours": statistics.median(found)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    for name, ratio in ratios(parser.parse_args().runs).items():
        print(f"{name} = {ratio:.1f}")


if __name__ == "__main__":
    main()
