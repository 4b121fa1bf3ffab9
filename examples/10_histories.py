"""Compare a network with and without the history of the user, and rank for a list of past ids."""

import argparse
import os

from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
NAMES = ["user_id", "movie_title", "user_rating", "timestamp"]
HISTORIES = {taste: f"history_{taste}_movie_title" for taste in ("liked", "other")}
LAYERS = {"without": "", "mean": "SequenceMean", "attention": "TargetAttention"}
LIKED, OTHER = ["Star Wars (1977)", "Alien (1979)", "Aliens (1986)"], ["Evita (1996)"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", type=positive, default=20, help="maximum epochs per network")
    parser.add_argument("--events", type=positive, default=20, help="maximum events of a history")
    parser.add_argument("--width", type=positive, default=16, help="embedding dimension")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the split is fixed)")


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export", "ranker.tflite", "attention.png"])

    with run.step("import"):
        import numpy as np
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        events = rk.data.movielens("100k", columns=NAMES)
        if args.quick:  # the first tenth in time, with all events of most users
            first = np.argsort(events["timestamp"], kind="stable")[:10_000]
            events = {name: column[first] for name, column in events.items()}
        events["taste"] = np.where(events["user_rating"] >= 4, "liked", "other")
        known, test = rk.data.time_split(events, timestamp="timestamp")  # 20 % test rows
        train, validation = rk.data.time_split(known, timestamp="timestamp")
        # A row's history has only events before its own time, also those of test rows.
        log = rk.data.InteractionLog(events, columns=["movie_title"], by="taste")
        parts = (train, validation, test)
        train, validation, test = (log.add_histories(x, max_length=args.events) for x in parts)
        for part, rows in {"training": train, "validation": validation, "test": test}.items():
            new = len(set(rows["user_id"]) - set(train["user_id"]))
            print(f"{len(rows['user_id']):,} {part} rows, {new} users without training rows")

    def embed(name: str, width: int):
        l2 = tf.keras.regularizers.L2(2e-4)
        return rk.layers.IdEmbedding.from_column(train[name], width, embeddings_regularizer=l2)

    def make_network(layer: str) -> tf.keras.Model:
        features = {name: embed(name, 2 * args.width) for name in ("movie_title", "user_id")}
        for taste, history in HISTORIES.items() if layer else ():
            arguments = {"max_length": args.events, "name": f"{taste}_events"}
            reader = getattr(rk.layers, layer)(embed("movie_title", args.width), **arguments)
            features[taste] = ((history, "movie_title"), reader)
        groups = [[0], [*range(1, len(features))]]  # the movie, and the user's side
        machine = rk.interactions.FactorizationMachine(initial_bias=3.5, groups=groups)
        return rk.ranking_network(features, interaction=machine)

    models = {}
    for name, layer in LAYERS.items():
        with run.step(name):
            tf.keras.utils.set_random_seed(args.seed)
            model = rk.RankingModel(make_network(layer), label="user_rating")
            model.compile(tf.keras.optimizers.Adam(0.002))
            patience = {"mode": "max", "patience": 4, "restore_best_weights": True}
            stop = tf.keras.callbacks.EarlyStopping("val_auc", **patience)
            callbacks = [rk.WeightAveraging(), rk.evaluation.RankingMetrics(validation), stop]
            batches = rk.data.batches(train, 512, shuffle=True, seed=args.seed)
            model.fit(batches, epochs=args.epochs, callbacks=callbacks, verbose=0)
            print(f"{stop.best_epoch + 1} epochs, validation AUC {stop.best:.4f}")
            models[name] = model

    with run.step("evaluate"):
        compared = rk.evaluation.compare_rankings(models, test)
        print(compared)

    with run.step("export and rank"):
        folder, lite = run.path / "export" / "1", run.path / "ranker.tflite"
        rk.export.save(models["mean"], folder)
        rk.export.to_tflite(folder, lite)
        query = {"user_id": "new", HISTORIES["liked"]: LIKED, HISTORIES["other"]: OTHER}
        titles = {"movie_title": rk.data.vocabulary(train["movie_title"], min_count=20)}
        ranking = rk.rank(rk.export.load(lite), query, titles, k=5, exclude=[*LIKED, *OTHER])
        print(f"A new user who liked {LIKED}, and {OTHER} less:", *ranking, sep="\n")

    with run.step("plot"):
        longest = int(np.argmax([len(each) for each in test[HISTORIES["liked"]]]))
        liked, movies = test[HISTORIES["liked"]][longest], [title for title, _ in ranking]
        layer = models["attention"].network.get_layer("liked_events")
        weights = layer.attention([[liked] * len(movies), movies])
        rk.plots.attention(weights, run.path / "attention.png", history=liked, candidates=movies)

    run.write_metrics(differences=compared.lines, ranking=ranking)


if __name__ == "__main__":
    run_example(main)
