"""The same network with and without the history of the user, on MovieLens 100K by time.

The last 20 % of the ratings are test rows, and the last 20 % of those before them validation rows,
so that most of their users have no training rows. A history has the last 20 events of a user before
a time, also those of validation and test rows. Two tasks:

- `ratings`: predict the rating; metrics are of the rated movies of each user.
- `clicks`: ratings of at least 4 are clicks, learned with sampled negatives by a softmax. Half way
  through the test events of each user, all movies that the user has not rated are ranked for the
  clicks to come.

The network is a factorization machine of the user, the movie and, in all but the first, the movies
of the history: a layer for those with at least 4 stars and one for the others (`by` of
`rankkit.data.InteractionLog`). Epochs, by the AUC, and the L2 penalty, by the mean of NDCG@10 and
AUC, are those of the best validation metrics. Compared are the mean scores of the seeds, by a
paired bootstrap over users.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import rankkit as rk
import tensorflow as tf

LAYERS = {
    "without": None,
    "mean": rk.layers.SequenceMean,
    "din": rk.layers.TargetAttention,
    "bst": rk.layers.TargetTransformer,
}
PENALTIES = {"ratings": (1e-4, 2e-4, 4e-4), "clicks": (3e-6, 1e-5, 3e-5)}
DIM, EVENTS, NEGATIVES = 16, 20, 5
METRICS = ("ndcg_at_10", "auc")


def take(rows, chosen):
    """Some rows of all columns."""
    return {name: column[chosen] for name, column in rows.items()}


class Task:
    """Batches to train on, and validation and test rows, all with histories."""

    def __init__(self, name):
        self.name, self.label = name, "user_rating" if name == "ratings" else "click"
        self.relevant, self.bias = (4.0, 3.5) if name == "ratings" else (1.0, 0.0)
        names = ["user_id", "movie_title", "user_rating", "timestamp"]
        rows = rk.data.movielens("100k", columns=names)
        rows["taste"] = np.where(rows["user_rating"] >= 4, "liked", "other").astype(object)
        self.events = rows
        self.log = rk.data.InteractionLog(rows, columns=["movie_title"], by="taste")
        known, test = rk.data.time_split(rows, timestamp="timestamp", test_fraction=0.2)
        train, late = rk.data.time_split(known, timestamp="timestamp", test_fraction=0.2)
        self.train, self.known = self.add_histories(train), train
        prepare = self.add_histories if name == "ratings" else self.clicks_to_come
        self.validation, self.test = prepare(late), prepare(test)
        for part, each in {"validation": self.validation, "test": self.test}.items():
            users = set(each["user_id"])
            new = len(users - set(train["user_id"]))
            print(f"{len(each['user_id']):,} {part} rows, {new} of {len(users)} users are new")

    def add_histories(self, rows):
        return self.log.add_histories(rows, max_length=EVENTS)

    def clicks_to_come(self, rows):
        """All movies that each user has not rated half way through the rows, and later clicks."""
        users, index = np.unique(rows["user_id"], return_inverse=True)
        middle = np.array([np.median(rows["timestamp"][index == i]) for i in range(len(users))])
        start = dict(zip(users, np.ceil(middle).astype(np.int64), strict=True))
        time = self.events["timestamp"]
        is_past = np.array([start.get(each, 0) for each in self.events["user_id"]]) > time
        titles = rk.data.vocabulary(self.train["movie_title"])
        start = np.array([start[each] for each in rows["user_id"]])
        is_click = (rows["timestamp"] >= start) & (rows["user_rating"] >= 4)
        is_click &= np.isin(rows["movie_title"], titles)
        clicks = take({**rows, "timestamp": start}, is_click)
        clicks = self.add_histories(
            {name: clicks[name] for name in ("user_id", "movie_title", "timestamp")}
        )
        past = take(self.events, is_past & np.isin(self.events["movie_title"], titles))
        return rk.data.with_candidates(
            clicks, item="movie_title", exclude=past, candidates={"movie_title": titles}
        )

    def batches(self, seed):
        if self.name == "ratings":
            return rk.data.batches(self.train, 512, shuffle=True, seed=seed)
        clicks = np.flatnonzero(self.train["user_rating"] >= 4)
        clicks = {
            name: [column[i] for i in clicks] if name.startswith("history") else column[clicks]
            for name, column in self.train.items()
        }
        return rk.data.with_negatives(
            clicks,
            256,
            item="movie_title",
            num_negatives=NEGATIVES,
            exclude=self.known,
            lists=True,
            seed=seed,
            columns=["user_id", "movie_title", *(f"history_{t}_movie_title" for t in TASTES)],
        )


TASTES = ("liked", "other")


def make_network(train, layer, penalty, bias):
    """A factorization machine of the user's side, summed, and the movie."""

    def embed(name, dim):
        l2 = tf.keras.regularizers.L2(penalty)
        return rk.layers.IdEmbedding.from_column(train[name], dim, embeddings_regularizer=l2)

    features = {name: embed(name, 2 * DIM) for name in ("movie_title", "user_id")}
    for taste in TASTES if layer else ():
        columns = (f"history_{taste}_movie_title", "movie_title")
        features[taste] = (columns, layer(embed("movie_title", DIM), max_length=EVENTS))
    groups = [[0], [*range(1, len(features))]]
    machine = rk.interactions.FactorizationMachine(initial_bias=bias, groups=groups)
    return rk.ranking_network(features, interaction=machine)


def fit(task, layer, penalty, seed):
    """A trained model, and its validation metrics."""
    tf.keras.utils.set_random_seed(seed)
    model = rk.RankingModel(make_network(task.train, layer, penalty, task.bias), label=task.label)
    loss = "mse" if task.name == "ratings" else rk.losses.SoftmaxLoss()
    model.compile(tf.keras.optimizers.Adam(2e-3), loss=loss, metrics=[])
    stop = tf.keras.callbacks.EarlyStopping(
        "val_auc", mode="max", patience=3, restore_best_weights=True
    )
    checked = rk.evaluation.RankingMetrics(task.validation, relevant=task.relevant)
    callbacks = [rk.WeightAveraging(), checked, stop]
    logs = model.fit(task.batches(seed), epochs=20, callbacks=callbacks, verbose=0).history
    found = [logs[f"val_{name}"][stop.best_epoch] for name in METRICS]
    print(
        f"  L2 {penalty}, seed {seed}, {stop.best_epoch + 1} epochs, validation {found}", flush=True
    )
    return model, found


def main():
    parser = argparse.ArgumentParser(description="Rankings with and without histories.")
    parser.add_argument("task", choices=PENALTIES)
    parser.add_argument("--networks", nargs="+", choices=LAYERS, default=["without", "mean", "din"])
    parser.add_argument("--penalties", type=float, nargs="+")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    task, scores = Task(arguments.task), {}
    evaluation = {"label": task.label, "relevant": task.relevant}
    for name in arguments.networks:
        start, layer = time.process_time(), LAYERS[name]
        penalties = arguments.penalties or PENALTIES[task.name]
        found = {each: fit(task, layer, each, seed=0) for each in penalties}
        penalty = max(found, key=lambda each: sum(found[each][1]))
        models = [found[penalty][0]]
        models += [fit(task, layer, penalty, seed)[0] for seed in range(1, arguments.seeds)]
        print(f"{name}: L2 {penalty}, {time.process_time() - start:.0f} s of processor time")
        rows = rk.data.batches(task.test, 4096)
        outputs = [model.predict(rows, verbose=0)[:, 0] for model in models]
        scores[name] = np.mean(outputs, axis=0)
        for each in (*outputs, scores[name]):
            metrics = rk.evaluate_ranking(each, task.test, num_bootstrap=1, **evaluation).metrics
            print("  test NDCG@10 {ndcg_at_10:.4f} AUC {auc:.4f}".format(**metrics), flush=True)
    if len(scores) > 1:
        print(rk.evaluation.compare_rankings(scores, task.test, **evaluation))


if __name__ == "__main__":
    main()
