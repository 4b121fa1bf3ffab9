"""Train on clicks with sampled negatives and two losses, and rank among all movies."""

import argparse
import os

from movielens_features import penalized_ids
from movielens_rows import movielens_rows, with_clicks
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
METRIC = "val_ndcg_at_10"
PENALTY = {"cross_entropy": 6e-6, "softmax": 6e-5}  # L2 on embeddings; chosen on validation rows


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--losses", nargs="+", choices=PENALTY, default=list(PENALTY))
    parser.add_argument("--negatives", type=positive, default=10, help="negatives per click")
    parser.add_argument("--popularity", type=float, default=0.0, help="popularity exponent")
    parser.add_argument("--epochs", type=positive, default=60, help="maximum epochs per loss")
    parser.add_argument("--width", type=positive, default=65, help="embedding dimension")
    parser.add_argument("--learning-rate", type=float, default=0.003, help="learning rate of Adam")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def clicks_of(rows: dict) -> dict:
    """Returns the clicks: movies rated below 4 stars are treated as not shown."""
    clicked = with_clicks(rows)["click"] > 0
    return {name: rows[name][clicked] for name in ("user_id", "movie_title")}


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export", "ranker.tflite"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        _, train, test = map(clicks_of, movielens_rows(args.quick))
        fit, validation = rk.data.random_split(train, test_fraction=0.1, seed=args.seed)
        item = {"item": "movie_title"}
        known, checked, tests = (
            rk.data.with_candidates(train, **item),
            rk.data.with_candidates(validation, exclude=fit, **item),
            rk.data.with_candidates(test, exclude=train, **item),
        )
        print(f"{len(train['user_id']):,} clicks; {len(tests['click']):,} candidates to rank")

    cross_entropy = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    models, found = {}, {}
    for name in args.losses:
        with run.step(name):
            tf.keras.utils.set_random_seed(args.seed)
            lists = name == "softmax"
            settings = {"num_negatives": args.negatives, "popularity": args.popularity}
            batches = rk.data.with_negatives(
                fit, 512, **item, **settings, lists=lists, seed=args.seed
            )
            features = penalized_ids(fit, args.width, PENALTY[name])
            model = rk.RankingModel(rk.models.factorization_machine(features), label="click")
            model.compile(
                tf.keras.optimizers.Adam(args.learning_rate),
                loss=rk.losses.SoftmaxLoss() if lists else cross_entropy,
                metrics=[],
            )
            stop = tf.keras.callbacks.EarlyStopping(
                METRIC, mode="max", patience=5, restore_best_weights=True
            )
            best = rk.evaluation.RankingMetrics(checked, relevant=1.0)
            averaging = rk.WeightAveraging()
            history = model.fit(
                batches, epochs=args.epochs, callbacks=[averaging, best, stop], verbose=0
            ).history
            print(f"{len(history['loss'])} epochs, validation NDCG@10 {max(history[METRIC]):.4f}")
            models[name] = model

    with run.step("evaluate"):
        for name, model in models.items():
            report = rk.evaluate_ranking(model, tests, train=known, item=item["item"], relevant=1.0)
            found[name] = report.metrics
            print(f"{name}, next to the click rates of users and movies (biases):\n{report}")
        if len(models) > 1:
            print(rk.evaluation.compare_rankings(models, tests, relevant=1.0))

    with run.step("rank and export"):
        name, model = list(models.items())[-1]
        clicked = set(train["movie_title"][train["user_id"] == "42"])
        titles = {"movie_title": rk.data.vocabulary(train["movie_title"])}
        ranking = rk.rank(model, {"user_id": "42"}, titles, k=10, exclude=clicked)
        print(f"new to user 42, by {name}:", *(title for title, _ in ranking), sep="\n   ")
        rk.export.save(model, run.path / "export" / "1")
        rk.export.to_tflite(run.path / "export" / "1", run.path / "ranker.tflite")
    run.write_metrics(test=found)


if __name__ == "__main__":
    run_example(main)
