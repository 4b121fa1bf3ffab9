"""Train a ranker on MovieLens, evaluate it, rank movies, export it and verify the exports."""

import argparse
import os

from movielens_rows import movielens_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TITLES = ["M*A*S*H (1970)", "Dances with Wolves (1990)", "Speed (1994)"]


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--epochs", type=positive, default=3, help="number of epochs")
    parser.add_argument("--batch-size", type=positive, default=8192, help="examples per step")
    parser.add_argument("--learning-rate", type=float, default=0.1, help="learning rate of Adagrad")
    parser.add_argument("--embedding-dim", type=positive, default=32, help="embedding dimension")
    parser.add_argument(
        "--hidden-units",
        type=positive,
        nargs="*",
        default=[256, 64],
        help="units of the hidden layers of the MLP",
    )
    parser.add_argument(
        "--seed", type=natural, default=42, help="seed of the weights and the shuffling"
    )


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export", "ranker.tflite"], free=["epochs"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        ratings, train, test = movielens_rows(args.quick)

    with run.step("model"):
        tf.keras.utils.set_random_seed(args.seed)
        features = {
            name: rk.layers.IdEmbedding(rk.data.vocabulary(ratings[name]), args.embedding_dim)
            for name in ("user_id", "movie_title")
        }
        network = rk.ranking_network(features, head=rk.layers.DenseRatingHead(args.hidden_units))
        network.summary()
        model = rk.RankingModel(network, label="user_rating")
        model.compile(optimizer=tf.keras.optimizers.Adagrad(args.learning_rate))

    with run.step("fit"):
        backup = run.path / "backup"
        callbacks = [
            tf.keras.callbacks.CSVLogger(run.path / "history.csv", append=True),
            tf.keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False),
        ]
        order = {"seed": args.seed, "initial_epoch": rk.completed_epochs(backup)}
        batches = rk.data.batches(train, args.batch_size, shuffle=True, **order)
        tests = rk.data.batches(test, 4096)
        model.fit(batches, epochs=args.epochs, validation_data=tests, callbacks=callbacks)

    with run.step("evaluate"):
        rmse = model.evaluate(tests, return_dict=True)["root_mean_squared_error"]
        print(f"test RMSE {rmse:.4f}")

    with run.step("rank"):
        ranking = rk.rank(model, {"user_id": "42"}, {"movie_title": TITLES})
        print("for user 42:", *(f"{score:.4f}  {title}" for title, score in ranking), sep="\n   ")

    with run.step("export"):
        folder, lite = run.path / "export" / "1", run.path / "ranker.tflite"
        rk.export.save(model, folder)
        rk.export.to_tflite(folder, lite)

    with run.step("load"):
        scorers = {"saved_model": rk.export.load(folder), "tflite": rk.export.load(lite)}
        rows = {name: test[name] for name in features}
        differences = {
            name: rk.export.max_abs_difference(model, scorer, rows)
            for name, scorer in scorers.items()
        }
        for name, scorer in scorers.items():
            [(title, score)] = rk.rank(scorer, {"user_id": "42"}, {"movie_title": TITLES[-1:]})
            print(f"{score:.6f} for {title} from {name}; over all test rows it differs from the")
            print(f"         live model by {differences[name]:.1e} at most")

    with run.step("plot"):
        rk.plots.learning_curve(run.history(), run.path / "learning_curve.png")

    run.write_metrics(test_rmse=rmse, ranking=ranking, max_abs_difference=differences)


if __name__ == "__main__":
    run_example(main)
