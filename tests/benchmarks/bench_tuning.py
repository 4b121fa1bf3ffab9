"""Trials per minute of `rk.tuning.search` / of plain keras-tuner code with the tutorial's model.

Both sample the same widths and learning rates and train on the same MovieLens rows, with the same
batch size and the same maximum number of epochs. The plain code follows keras-tuner's guide,
without and with Keras's EarlyStopping. Timing starts when the rows are loaded and ends with the
last trial; training the best model on all rows, which only `search` does, is not included. Goal: at
least 1.5 times the trials of the plain code without early stopping.

`search` prunes trials and averages weights. With averaged weights trials improve for longer, so it
is also measured without. Each run has another seed and samples other trials.
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

from alternating import report_ratio

TRIALS, EPOCHS, PATIENCE = 20, 30, 5
WIDTHS, LEARNING_RATES = (32, 512), (1e-3, 1.0)
BATCH_SIZE = 1024  # the default of `search`


def load_rows():
    import rankkit as rk

    ratings = rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])
    train, _ = rk.data.random_split(ratings, test_fraction=0.2, seed=42)
    vocabularies = {name: rk.data.vocabulary(ratings[name]) for name in ("user_id", "movie_title")}
    return train, vocabularies


def run_search(folder, seed, average_weights):
    """Returns the seconds and the hyperparameters of the trials."""
    import rankkit as rk

    train, vocabularies = load_rows()
    start = time.time()
    features = {name: rk.layers.IdEmbedding(known, 32) for name, known in vocabularies.items()}
    space = {"tower_width": WIDTHS, "learning_rate": LEARNING_RATES}
    result = rk.tuning.search(
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
    seconds = json.loads(journal[-1])["time"] - start
    return seconds, [(row["tower_width"], row["learning_rate"]) for row in result.trials]


def run_plain(folder, seed, early_stopping):
    """Returns the seconds and the hyperparameters of the trials."""
    import rankkit as rk  # makes keras-tuner use Keras 2
    import keras_tuner as kt
    import tensorflow as tf
    import tensorflow_recommenders as tfrs
    from rankkit.tuning.oracles import oracle_seed

    train, vocabularies = load_rows()
    start = time.time()
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
        seed=oracle_seed(seed),  # as `search` does
        directory=folder,
    )
    stopping = tf.keras.callbacks.EarlyStopping(
        "val_root_mean_squared_error", mode="min", patience=PATIENCE
    )
    tuner.search(
        cached,
        validation_data=cached_validation,
        epochs=EPOCHS,
        callbacks=[stopping] if early_stopping else [],
        verbose=0,
    )
    seconds = time.time() - start
    trials = [trial.hyperparameters.values for trial in tuner.oracle.trials.values()]
    return seconds, [(values["tower_width"], values["learning_rate"]) for values in trials]


SEARCHES = {
    "search": lambda folder, seed: run_search(folder, seed, average_weights=True),
    "search without averaging": lambda folder, seed: run_search(
        folder, seed, average_weights=False
    ),
    "plain": lambda folder, seed: run_plain(folder, seed, early_stopping=False),
    "plain with early stopping": lambda folder, seed: run_plain(folder, seed, early_stopping=True),
}


def run_process(name, seed):
    """Runs a search in another process; returns its seconds and the values of its trials."""
    command = [sys.executable, __file__, "--search", name, "--seed", str(seed)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(runs=3, seed=42):
    seconds = {name: [] for name in SEARCHES}
    for run_seed in range(seed, seed + runs):
        trials = []
        for name in SEARCHES:
            elapsed, values = run_process(name, run_seed)
            seconds[name].append(elapsed)
            trials.append(values)
        assert all(values == trials[0] for values in trials)
    ours, baselines = (
        [name for name in SEARCHES if name.startswith(kind)] for kind in ("search", "plain")
    )
    medians = {}
    for search, plain in itertools.product(ours, baselines):
        name = f"trials per minute: {search} / {plain}"
        pairs = zip(seconds[plain], seconds[search], strict=True)
        medians[name] = report_ratio(name, [slow / fast for slow, fast in pairs])
    return medians


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", choices=SEARCHES, help="run one search and print its seconds")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42, help="seed of the first run")
    args = parser.parse_args()
    if args.search:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(SEARCHES[args.search](f"{folder}/search", args.seed)))
    else:
        ratios(args.runs, args.seed)
