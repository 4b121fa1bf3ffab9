"""Trials a minute: `rk.tuning.search` against plain keras-tuner code around the tutorial's model.

Both draw the same widths and learning rates, and train on the same MovieLens rows in batches of the
same size, for the same number of epochs at most; the rows are loaded before the clock starts. The
plain code does as keras-tuner's guide does, once without and once with Keras's EarlyStopping. The
clock stops at the end of the last trial: only the search goes on to train its winner on all rows.
Goal: at least 1.5 times as many trials as the plain code without early stopping. Each run draws
other trials, wide networks or narrow ones. Trials that are behind end early; a search averages
weights by default; its trials are then better, and go on longer before they stop improving, so that
the same is also measured without.
"""

import argparse
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from alternating import told

TRIALS, EPOCHS, PATIENCE = 20, 30, 5
WIDTHS, LEARNING_RATES = (32, 512), (1e-3, 1.0)
BATCH_SIZE = 1024  # that of a search that does not search it


def rows():
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])
    train, _ = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    vocabularies = {name: rk.data.vocabulary(ratings[name]) for name in ("user_id", "movie_title")}
    return train, vocabularies


def ours(folder, seed, average_weights):
    import rankkit as rk

    train, vocabularies = rows()
    started = time.time()
    features = {name: rk.layers.IdEmbedding(known, 32) for name, known in vocabularies.items()}
    space = {"tower_width": WIDTHS, "learning_rate": LEARNING_RATES}
    found = rk.tuning.search(
        rk.tuning.RankingHyperModel(
            features, label="user_rating", space=space, average_weights=average_weights
        ),
        train,
        directory=folder,
        max_trials=TRIALS,
        epochs=EPOCHS,
        patience=PATIENCE,
        seed=seed,
        verbose=0,
    )
    journal = pathlib.Path(folder, "journal.jsonl").read_text().splitlines()
    seconds = json.loads(journal[-1])["time"] - started
    return seconds, [(row["tower_width"], row["learning_rate"]) for row in found.trials]


def plain(folder, seed, callbacks):
    import rankkit as rk  # puts keras-tuner on Keras 2
    import keras_tuner as kt
    import tensorflow as tf
    import tensorflow_recommenders as tfrs
    from rankkit.tuning.oracles import oracle_seed

    train, vocabularies = rows()
    started = time.time()
    fit, validation = rk.data.random_split(train, test_fraction=0.1, seed=seed)
    cached = tf.data.Dataset.from_tensor_slices(fit).shuffle(100_000).batch(BATCH_SIZE).cache()
    cached_validation = tf.data.Dataset.from_tensor_slices(validation).batch(8192).cache()

    def embedding(known):
        lookup = tf.keras.layers.StringLookup(vocabulary=known, mask_token=None)
        return tf.keras.Sequential([lookup, tf.keras.layers.Embedding(len(known) + 1, 32)])

    class Model(tfrs.models.Model):
        def __init__(self, width):
            super().__init__()
            self.embeddings = {name: embedding(known) for name, known in vocabularies.items()}
            dense = [tf.keras.layers.Dense(units, "relu") for units in (width, width // 4)]
            self.head = tf.keras.Sequential([*dense, tf.keras.layers.Dense(1)])
            self.task = tfrs.tasks.Ranking(
                loss=tf.keras.losses.MeanSquaredError(),
                metrics=[tf.keras.metrics.RootMeanSquaredError()],
            )

        def call(self, features):
            vectors = [layer(features[name]) for name, layer in self.embeddings.items()]
            return self.head(tf.concat(vectors, axis=1))

        def compute_loss(self, inputs, training=False):
            return self.task(labels=inputs["user_rating"], predictions=self(inputs))

    def build(hp):
        width = hp.Int("tower_width", *WIDTHS, step=2, sampling="log")
        learning_rate = hp.Float("learning_rate", *LEARNING_RATES, sampling="log")
        model = Model(width)
        model.compile(optimizer=tf.keras.optimizers.Adagrad(learning_rate))
        return model

    tuner = kt.RandomSearch(
        build,
        objective=kt.Objective("val_root_mean_squared_error", "min"),
        max_trials=TRIALS,
        seed=oracle_seed(seed),  # what `search` makes of its own
        directory=folder,
    )
    stopping = tf.keras.callbacks.EarlyStopping(
        "val_root_mean_squared_error", mode="min", patience=PATIENCE
    )
    tuner.search(
        cached,
        validation_data=cached_validation,
        epochs=EPOCHS,
        callbacks=[stopping] if callbacks else [],
        verbose=0,
    )
    seconds = time.time() - started
    trials = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    return seconds, [(values["tower_width"], values["learning_rate"]) for values in trials]


WAYS = {
    "search": lambda folder, seed: ours(folder, seed, average_weights=True),
    "search, last weights": lambda folder, seed: ours(folder, seed, average_weights=False),
    "plain": lambda folder, seed: plain(folder, seed, callbacks=False),
    "plain, early stopping": lambda folder, seed: plain(folder, seed, callbacks=True),
}


def run(way, seed):
    """One search in a process of its own: its seconds, and what it tried."""
    command = [sys.executable, __file__, "--way", way, "--seed", str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(runs=3, seed=42):
    seconds = {way: [] for way in WAYS}
    for each in range(seed, seed + runs):
        tried = []
        for way in WAYS:
            took, trials = run(way, each)
            seconds[way].append(took)
            tried.append(trials)
        assert all(trials == tried[0] for trials in tried)
    ours_and_theirs = (
        [way for way in WAYS if way.startswith(kind)] for kind in ("search", "plain")
    )
    found = {}
    for way, other in itertools.product(*ours_and_theirs):
        name = f"trials a minute: {way} / {other}"
        pairs = zip(seconds[other], seconds[way], strict=True)
        found[name] = told(name, [theirs / ours for theirs, ours in pairs])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--way", choices=WAYS, help="run one of them and print its seconds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42, help="of the first run")
    args = parser.parse_args()
    if args.way:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(WAYS[args.way](f"{folder}/search", args.seed)))
    else:
        ratios(args.runs, args.seed)
