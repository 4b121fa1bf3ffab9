"""Compare pairwise and listwise losses on ratings with the squared error of single ratings."""

import argparse
import os

from movielens_features import penalized_ids
from movielens_rows import movielens_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LOSSES = {  # with an L2 penalty on the embeddings; defaults were chosen on validation rows
    "pairwise_logistic": ("PairwiseLogisticLoss", {}, 3.5e-5),
    "pairwise_hinge": ("PairwiseHingeLoss", {}, 7e-5),
    "lambda_rank": ("LambdaRankLoss", {"k": 10}, 5e-5),
    "softmax": ("SoftmaxLoss", {"temperature": 2.0}, 3e-5),
    "list_mle": ("ListMLELoss", {}, 8e-5),
    "approx_ndcg": ("ApproxNDCGLoss", {"temperature": 0.3}, 6e-6),
}
POINTWISE, POINTWISE_PENALTY = "mean_squared_error", 1.4e-4
METRIC = "val_ndcg_at_10"


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--losses",
        nargs="+",
        choices=LOSSES,
        default=list(LOSSES),
        help="losses to compare with squared error",
    )
    parser.add_argument("--epochs", type=positive, default=60, help="maximum epochs per loss")
    parser.add_argument(
        "--list-size", type=positive, default=10, help="maximum number of ratings per list"
    )
    parser.add_argument("--width", type=positive, default=65, help="embedding dimension")
    parser.add_argument("--learning-rate", type=float, default=0.003, help="learning rate of Adam")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["metrics.json"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        _, train, test = movielens_rows(args.quick)
        fit, validation = rk.data.random_split(train, test_fraction=0.1, seed=args.seed)
        size = {"list_size": args.list_size, "overflow": "split"}
        number = max(1, 512 // args.list_size)  # about the same number of ratings per step
        lists = rk.data.lists(fit, number, **size, shuffle=True, seed=args.seed)
        rows = rk.data.batches(fit, 512, shuffle=True, seed=args.seed)
        print(f"{len(lists)} batches of lists, {len(rows)} of ratings")

    models = {}
    for name in (POINTWISE, *args.losses):
        with run.step(name):
            tf.keras.utils.set_random_seed(args.seed)
            kind, settings, strength = LOSSES.get(name, (None, {}, POINTWISE_PENALTY))
            features = penalized_ids(fit, args.width, strength)
            network = rk.models.factorization_machine(features, initial_bias=3.5)
            model = rk.RankingModel(network, label="user_rating")
            loss = getattr(rk.losses, kind)(**settings) if kind else name
            model.compile(tf.keras.optimizers.Adam(args.learning_rate), loss=loss)
            stop = tf.keras.callbacks.EarlyStopping(
                METRIC, mode="max", patience=5, restore_best_weights=True
            )
            averaging = rk.WeightAveraging()
            best = rk.evaluation.RankingMetrics(validation)
            history = model.fit(
                rows if name == POINTWISE else lists,
                epochs=args.epochs,
                callbacks=[averaging, best, stop],
                verbose=0,
            ).history
            print(f"{len(history['loss'])} epochs, validation NDCG@10 {max(history[METRIC]):.4f}")
            models[name] = model

    with run.step("evaluate"):
        for name, model in models.items():
            for rows, kind in ((test, "test"), (fit, "training")):
                report = rk.evaluate_ranking(model, rows, train=fit, item="movie_title")
                values = report.metrics["ndcg_at_10"], report.metrics["auc"]
                print("{:20} NDCG@10 {:.4f}  AUC {:.4f} on {} rows".format(name, *values, kind))
        compared = rk.evaluation.compare_rankings(models, test)
        print(compared)

    run.write_metrics(differences=compared.lines)


if __name__ == "__main__":
    run_example(main)
