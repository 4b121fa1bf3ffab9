"""Train on ratings and clicks, jointly and separately, and rank by both."""

import argparse
import os

from movielens_features import penalized_ids
from movielens_rows import movielens_rows, with_clicks
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LABELS = {"rating": "user_rating", "click": "click"}
METRICS = ("rating_root_mean_squared_error", "click_loss", "click_auc")
SCORE = {"rating": 1.0, "click": 0.5}  # weights of the heads when ranking


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sharing",
        choices=("shared_bottom", "mmoe", "ple"),
        default="shared_bottom",
        help="architecture of the shared layers",
    )
    parser.add_argument("--epochs", type=positive, default=60, help="maximum epochs per network")
    parser.add_argument("--width", type=positive, default=32, help="embedding dimension")
    parser.add_argument("--penalty", type=float, default=8e-3, help="L2 penalty on the embeddings")
    parser.add_argument("--learning-rate", type=float, default=0.002, help="learning rate of Adam")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export", "ranker.tflite"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        _, train, test = map(with_clicks, movielens_rows(args.quick))
        fit, validation = rk.data.random_split(train, test_fraction=0.1, seed=args.seed)
        batches = rk.data.batches(fit, 1024, shuffle=True, seed=args.seed)
        checked, tests = (rk.data.batches(rows, 4096) for rows in (validation, test))

    losses = {
        "rating": "mean_squared_error",
        "click": tf.keras.losses.BinaryCrossentropy(from_logits=True),
    }
    models, found = {}, {}
    for names in (["rating"], ["click"], ["rating", "click"]):
        name = " and ".join(names)
        with run.step(name):
            tf.keras.utils.set_random_seed(args.seed)
            features = penalized_ids(fit, args.width, args.penalty)
            heads = {each: rk.layers.DenseRatingHead([64]) for each in names}
            score = {each: SCORE[each] for each in names}
            network = getattr(rk.models, args.sharing)(features, heads, score=score)
            model = rk.RankingModel(network, label={each: LABELS[each] for each in names})
            auc = tf.keras.metrics.AUC(from_logits=True, name="auc")
            model.compile(
                tf.keras.optimizers.Adam(args.learning_rate),
                loss={each: losses[each] for each in names},
                metrics={"click": [auc]} if "click" in names else None,
                loss_weights="uncertainty" if len(names) > 1 else None,
            )
            stop = tf.keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
            model.fit(
                batches,
                epochs=args.epochs,
                validation_data=checked,
                callbacks=[rk.WeightAveraging(), stop],
                verbose=0,
            )
            found[name] = model.evaluate(tests, return_dict=True, verbose=0)
            models[name] = model
            values = (f"{key} {found[name][key]:.4f}" for key in METRICS if key in found[name])
            print(f"{network.count_params():,} weights:", *values)

    with run.step("rank and export"):
        titles = rk.data.vocabulary(train["movie_title"])
        ranking = rk.rank(model, {"user_id": "42"}, {"movie_title": titles})[:10]
        print("for user 42, by both:", *(title for title, _ in ranking), sep="\n   ")
        folder, lite = run.path / "export" / "1", run.path / "ranker.tflite"
        rk.export.save(model, folder)
        rk.export.to_tflite(folder, lite)
    run.write_metrics(test=found)


if __name__ == "__main__":
    run_example(main)
