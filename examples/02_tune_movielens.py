"""Tune a ranker of MovieLens, train the best model on all training rows, and export it."""

import argparse
import csv
import os
import sys

from movielens_rows import movielens_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
TUNERS = ("random", "bayesian", "hyperband", "grid")
TUTORIAL_RMSE = 1.10  # without tuning, as stated on its page
SPACE = {
    "tower_width": (64, 512),
    "learning_rate": (3e-4, 1e-2),
    "optimizer": "adam",
    "l2": (3e-4, 1e-2),
    "embedding_dim": [32, 64],
}


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tuner", choices=TUNERS, default="random", help="search strategy")
    parser.add_argument("--max-trials", type=positive, default=20, help="maximum number of trials")
    parser.add_argument("--epochs", type=positive, default=40, help="maximum epochs per trial")
    parser.add_argument("--workers", type=positive, default=1, help="number of worker processes")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export"], free=["max_trials", "workers"])

    with run.step("import"):
        import rankkit as rk

    with run.step("data"):
        _, train, test = movielens_rows(args.quick)

    with run.step("search"):
        features = {
            name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), 32)
            for name in ("user_id", "movie_title")
        }
        try:
            found = rk.tuning.search(
                rk.tuning.RankingHyperModel(features, label="user_rating", space=SPACE),
                train,
                directory=run.path / "tuning",
                tuner=args.tuner,
                max_trials=args.max_trials,
                epochs=args.epochs,
                patience=8,
                seed=args.seed,
                workers=args.workers,
            )
        except (ValueError, RuntimeError) as error:
            sys.exit(f"error: {error}")
        print(
            "best hyperparameters:",
            *(f"{name}={value}" for name, value in found.hyperparameters.items()),
        )

    with run.step("evaluate"):
        report = rk.evaluate_ranking(found.model, test, train=train, item="movie_title")
        print(report)
        rmse, baseline = (report.lines[line]["rmse"] for line in (0, 1))
        print(f"test RMSE {rmse:.4f}; user and item biases {baseline:.4f}; not tuned, as in")
        print(f"          TensorFlow Recommenders' tutorial, {TUTORIAL_RMSE:.2f}")

    with run.step("export"):
        rk.export.save(found.model, run.path / "export" / "1")
        with (run.path / "trials.csv").open("w", newline="") as file:
            names = list(dict.fromkeys(name for row in found.trials for name in row))
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(found.trials)

    with run.step("plot"):
        rk.plots.search_history(found.trials, run.path / "search_history.png")
        rk.plots.search_scatter(found.trials, run.path / "search_scatter.png")
        if len(found.trials) > 1:
            rk.plots.parallel_coordinates(found.trials, run.path / "parallel_coordinates.png")

    run.write_metrics(
        test_rmse=rmse,
        bias_baseline_rmse=baseline,
        best_hyperparameters=found.hyperparameters,
        epochs=found.epochs,
        validation_rmse=found.score,
        trials=len(found.trials),
    )


if __name__ == "__main__":
    run_example(main)
