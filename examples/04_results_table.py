"""The table of results: models and their inputs on the tutorial's split of MovieLens 100K."""

import argparse
import json
import os
import statistics
import sys
import time

from movielens_rankers import RANKERS
from movielens_rows import COLUMNS, movielens_rows, sha256
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
MEASURES = ("rmse", "mae", "ndcg_at_10", "auc")


def row_or_number(text: str) -> str | int:
    return text if text in RANKERS else positive(text)


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows",
        nargs="+",
        type=row_or_number,
        default=list(RANKERS),
        help="names of the rows, or a number of ratings",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=natural,
        default=[42, 43, 44],
        help="seed (the test rows are fixed)",
    )


def main() -> None:
    args = parse(__doc__ or "", options)
    numbers = [row for row in args.rows if isinstance(row, int)]
    if len(numbers) + args.quick > 1:
        sys.exit("error: pass at most one number of ratings in --rows, and none with --quick")
    run = RunFolder(args, redone=[])
    names = [row for row in args.rows if isinstance(row, str)] or list(RANKERS)

    with run.step("import"):
        import rankkit as rk

    with run.step("data"):
        columns = (*COLUMNS, "movie_genres", "timestamp")
        _, train, test = movielens_rows(args.quick, columns, numbers[0] if numbers else None)
        hashes = {"train_sha256": sha256(train), "test_sha256": sha256(test)}
        print(*(f"{name} {value}" for name, value in hashes.items()), sep="\n")

    file = run.path / "results.json"
    results = json.loads(file.read_text()) if file.exists() else []
    done = {(row["name"], row["seed"]) for row in results}

    for name in names:
        inputs, fit = RANKERS[name]
        for seed in args.seeds:
            if (name, seed) in done:
                continue
            with run.step(f"{name}, seed {seed}"):
                start = time.perf_counter()
                model = fit(train, seed)
                seconds = round(time.perf_counter() - start, 1)
                report = rk.evaluate_ranking(
                    model,
                    test,
                    train=train,
                    item="movie_title",
                    label="user_rating",
                    rating_range=(1, 5),  # clips predictions
                )
                print(report)
                measured = {measure: report.metrics[measure] for measure in MEASURES}
                row = {"name": name, "inputs": inputs, "seed": seed, **measured}
                results.append({**row, "seconds": seconds})
                done.add((name, seed))
                run.write_json("results.json", results)

    print(
        f"{'name':20} {'inputs':20} {'seeds':>5} {'rmse':>7} {'mae':>7} {'ndcg@10':>7} {'auc':>7}"
    )
    for name in names:
        rows = [row for row in results if row["name"] == name and row["seed"] in args.seeds]
        means = [statistics.mean(row[measure] for row in rows) for measure in MEASURES]
        print(f"{name:20} {rows[0]['inputs']:20} {len(rows):5}", *(f"{m:7.4f}" for m in means))
    run.write_metrics(**hashes)


if __name__ == "__main__":
    run_example(main)
