"""Rank documents by numeric features: LambdaRank, attention across candidates, and LightGBM."""

import argparse
import importlib.util
import os

from lightgbm_ranker import lightgbm_scores
from ranking_rows import ranking_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
METRIC = "val_ndcg_at_10"
# Labels of at least 1 are relevant, and queries without such a label count as 1, as in LightGBM.
SETTINGS = {"query": "query_id", "relevant": 1, "no_relevant": "one"}
CUTOFFS = (1, 3, 5, 10)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        help="folder with rank.train, rank.test and their .query files, such as "
        "examples/lambdarank of LightGBM's repository; synthetic rows without it",
    )
    parser.add_argument("--epochs", type=positive, default=60, help="maximum epochs per network")
    parser.add_argument("--learning-rate", type=float, default=0.001, help="learning rate of Adam")
    parser.add_argument("--seed", type=natural, default=42, help="seed (all rows are fixed)")


def ndcg(line: dict, k: int) -> str:
    """Returns the NDCG at a cutoff with half the width of its confidence interval."""
    value, low, high = (line[f"ndcg_at_{k}{end}"] for end in ("", "_low", "_high"))
    return f"NDCG@{k} {value:.4f} ±{(high - low) / 2:.3f}"


def main() -> None:
    args = parse(__doc__ or "", options)
    run = RunFolder(args, redone=["export"])

    with run.step("import"):
        import rankkit as rk
        import tensorflow as tf

    with run.step("data"):
        fit, validation, test = ranking_rows(args.data, args.quick)
        lists = rk.data.lists(fit, 8, query="query_id", shuffle=True, seed=args.seed)

    heads = {
        "network": [rk.layers.DenseRatingHead([64], dropout_rate=0.3)],
        "attention": [
            tf.keras.layers.Dropout(0.3),
            tf.keras.layers.Dense(32),
            rk.layers.CandidateAttention(1, dropout_rate=0.3),
            rk.layers.DenseRatingHead([]),
        ],
    }
    scorers, best = {}, {}
    for name, layers in heads.items():
        with run.step(name):
            tf.keras.utils.set_random_seed(args.seed)
            scaled = rk.layers.NormalizedNumbers.from_column(fit["features"])
            network = rk.ranking_network({"features": scaled}, head=tf.keras.Sequential(layers))
            model = rk.RankingModel(network, label="label")
            model.compile(tf.keras.optimizers.Adam(args.learning_rate), rk.losses.LambdaRankLoss())
            checked = rk.evaluation.RankingMetrics(validation, **SETTINGS)
            settings = {"mode": "max", "patience": 8, "restore_best_weights": True}
            stop = tf.keras.callbacks.EarlyStopping(METRIC, **settings)
            callbacks = [rk.WeightAveraging(), checked, stop]
            history = model.fit(lists, epochs=args.epochs, callbacks=callbacks, verbose=0).history
            best[name], scorers[name] = max(history[METRIC]), model
            print(f"{len(history['loss'])} epochs, validation NDCG@10 {best[name]:.4f}")

    if importlib.util.find_spec("lightgbm"):
        with run.step("LightGBM"):
            scorers["LightGBM"] = lightgbm_scores(fit, validation, test, args.seed)
    else:
        print("LightGBM is not installed (pip install lightgbm) and left out")

    with run.step("evaluate"):
        found = {}
        for name, scorer in scorers.items():
            report = rk.evaluate_ranking(scorer, test, label="label", k=CUTOFFS, **SETTINGS)
            [line], found[name] = report.lines, report.metrics
            print(f"{name:9}", *(ndcg(line, k) for k in CUTOFFS), sep="  ")
        print(f"\n{rk.evaluation.compare_rankings(scorers, test, label='label', **SETTINGS)}")

    with run.step("export and rank"):
        chosen = max(best, key=best.__getitem__)
        rk.export.save(scorers[chosen], run.path / "export" / "1")
        scorer = rk.export.load(run.path / "export" / "1")
        rows = test["query_id"] == test["query_id"][0]
        documents = {name: test[name][rows] for name in ("label", "features")}
        print(f"the first five documents of a query by {chosen!r}:")
        for document, score in rk.rank(scorer, {}, documents, k=5):
            print(f"   score {score:7.3f}, label {document['label']:g}")
    run.write_metrics(test=found)


if __name__ == "__main__":
    run_example(main)
