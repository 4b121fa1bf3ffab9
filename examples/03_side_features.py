"""Train a named architecture on side features with early stopping, and diagnose it."""

import argparse
import os

import movielens_features
from movielens_rows import COLUMNS, movielens_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ARCHITECTURES = ("factorization_machine", "svd_plus_plus", "deepfm", "dcn_v2", "dlrm", "tower")
METRIC = "val_root_mean_squared_error"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--architecture", choices=ARCHITECTURES, default="svd_plus_plus", help="architecture"
    )
    parser.add_argument("--epochs", type=positive, default=40, help="maximum epochs")
    parser.add_argument("--width", type=positive, default=65, help="embedding dimension")
    parser.add_argument("--penalty", type=float, default=0.05, help="L2 penalty on the embeddings")
    parser.add_argument("--learning-rate", type=float, default=0.003, help="learning rate of Adam")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["history.csv", "export", "ranker.tflite"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        _, train, test = movielens_rows(args.quick, (*COLUMNS, "movie_genres", "timestamp"))
        fit, validation = rk.data.random_split(train, test_fraction=0.1, seed=args.seed)

    with run.step("model"):
        tf.keras.utils.set_random_seed(args.seed)
        penalty = tf.keras.regularizers.L2(args.penalty) if args.penalty else None
        features = movielens_features.network_features(fit, args.width, penalty)
        for name, feature in features.items():
            print(f"{name:12} {feature}")
        mean = {"initial_bias": float(fit["user_rating"].mean())}
        known = {
            "svd_plus_plus": {"item": ["movie_title", "genres", "year"], **mean},
            "factorization_machine": mean,
            "deepfm": mean,
        }
        arguments = known.get(args.architecture, {})
        network = getattr(rk.models, args.architecture)(features, **arguments)
        model = rk.RankingModel(network, label="user_rating")
        model.compile(optimizer=tf.keras.optimizers.Adam(args.learning_rate))

    with run.step("fit"):
        stop = tf.keras.callbacks.EarlyStopping(METRIC, patience=4, restore_best_weights=True)
        callbacks = [
            rk.WeightAveraging(),
            rk.evaluation.RankingMetrics(validation),
            stop,
            tf.keras.callbacks.CSVLogger(run.path / "history.csv"),
        ]
        batches = rk.data.batches(fit, 1024, shuffle=True, seed=args.seed)
        model.fit(
            batches,
            epochs=args.epochs,
            validation_data=rk.data.batches(validation, 4096),
            callbacks=callbacks,
            verbose=2,
        )

    with run.step("evaluate"):
        rows = {"train": fit, "item": "movie_title", "rating_range": (1, 5)}
        report = rk.evaluate_ranking(model, test, **rows)
        print(report)
        diagnosis = rk.evaluation.diagnose(model, test, **rows)
        print(diagnosis)

    with run.step("plot"):
        rk.plots.learning_curve(run.history(), run.path / "learning_curve.png")
        for name in ("predicted_against_true", "calibration", "error_by_count"):
            getattr(rk.plots, name)(diagnosis, run.path / f"{name}.png")

    with run.step("export"):
        folder, lite = run.path / "export" / "1", run.path / "ranker.tflite"
        rk.export.save(model, folder)
        rk.export.to_tflite(folder, lite)
        raw = {name: test[name] for name in model.feature_specs}
        difference = rk.export.max_abs_difference(model, rk.export.load(folder), raw)
        print(f"largest difference of the SavedModel on the test rows: {difference:.1e}")

    run.write_metrics(
        test=report.metrics, warnings=diagnosis.warnings, max_abs_difference=difference
    )


if __name__ == "__main__":
    run_example(main)
