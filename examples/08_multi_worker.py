"""Train with several workers on this host, and resume after one of them is lost."""

import argparse
import json
import os

from local_workers import own_number, run_workers
from movielens_rows import movielens_rows
from run_folder import RunFolder, natural, parse, positive, run_example

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FOUND = "found.json"  # written by the first worker


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=positive, default=2, help="number of worker processes")
    parser.add_argument("--restarts", type=natural, default=3, help="maximum number of restarts")
    parser.add_argument("--wait", type=float, default=300, help="seconds to wait for the workers")
    parser.add_argument("--epochs", type=positive, default=3, help="number of epochs")
    parser.add_argument("--batch-size", type=positive, default=1024, help="global batch size")
    parser.add_argument("--seed", type=natural, default=42, help="seed (the test rows are fixed)")


def train(args: argparse.Namespace, number: int) -> None:
    """Trains in a worker: as in a single process, except for the first three lines."""
    import rankkit as rk
    import tensorflow as tf

    rk.wait_for_workers(args.wait)
    with tf.distribute.MultiWorkerMirroredStrategy().scope():
        tf.keras.utils.set_random_seed(args.seed)
        ratings, train, test = movielens_rows(args.quick)
        features = {
            name: rk.layers.IdEmbedding(rk.data.vocabulary(ratings[name]), 32)
            for name in ("user_id", "movie_title")
        }
        network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([256, 64]))
        model = rk.RankingModel(network, label="user_rating")
        model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))

    backup = str(args.output_dir / "backup")  # shared by all workers
    done = rk.completed_epochs(backup)
    print(f"worker {number} starts after {done} epochs", flush=True)
    batches = rk.data.batches(
        train, args.batch_size, shuffle=True, seed=args.seed, initial_epoch=done
    )
    keep = tf.keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)
    log = tf.keras.callbacks.CSVLogger(args.output_dir / f"history_{number}.csv", append=True)
    model.fit(batches, epochs=args.epochs, callbacks=[keep, log], verbose=0)
    logs = model.evaluate(rk.data.batches(test, 4096), return_dict=True, verbose=0)
    if number == 0:
        rk.export.save(model, args.output_dir / "export" / "1")
        found = {"test_rmse": float(logs["root_mean_squared_error"])}
        (args.output_dir / FOUND).write_text(json.dumps(found))


def main() -> None:
    args = parse(__doc__ or "", options)
    if (number := own_number()) is not None:
        train(args, number)
        return
    run = RunFolder(args, redone=["export", FOUND], free=["workers", "restarts", "wait"])
    with run.step("train"):
        restarts = run_workers(args.workers, args.restarts)
    found = json.loads((run.path / FOUND).read_text())
    print(f"test RMSE {found['test_rmse']:.4f}, {restarts} restarts")
    run.write_metrics(**found, restarts=restarts)


if __name__ == "__main__":
    run_example(main)
