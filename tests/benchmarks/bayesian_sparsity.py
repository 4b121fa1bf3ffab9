"""Bayesian factorization machines against biases, on a grid of planted sparsities.

Prints the test RMSE of user and item biases, of sampled biases (`embedding_dim=1`) and of vectors
with the default settings, and the difference to the biases in standard errors. Run it with
`python tests/benchmarks/bayesian_sparsity.py`; it takes minutes.
"""

import argparse
import itertools
import warnings

import numpy as np
import rankkit as rk
import tensorflow as tf

IDS = ("user_id", "item_id")


def planted_ratings(rows_per_user, rows_per_item, interaction, noise_spread, num_rows, seed):
    """Samples ratings on a scale of 1 to 5.

    Args:
        rows_per_user: Mean number of ratings of a user.
        rows_per_item: Mean number of ratings of an item.
        interaction: Standard deviation of the products of user and item vectors.
        noise_spread: Standard deviation of the logarithm of a user's noise.
        num_rows: Number of ratings.
        seed: Random seed.
    """
    rng = np.random.default_rng(seed)
    num_users, num_items = int(num_rows / rows_per_user), int(num_rows / rows_per_item)
    # Activity and popularity follow a Pareto distribution.
    user, item = (
        rng.choice(size, num_rows, p=weights / weights.sum())
        for size, weights in (
            (each, rng.pareto(1.5, each) + 0.3) for each in (num_users, num_items)
        )
    )
    noise = 0.9 * np.exp(noise_spread * rng.standard_normal(num_users))[user]
    of_user, of_item = (
        rng.normal(0, (interaction**2 / 2) ** 0.25, (n, 2)) for n in (num_users, num_items)
    )
    score = 3.5 + rng.normal(0, 0.4, num_users)[user] + rng.normal(0, 0.5, num_items)[item]
    score += (of_user[user] * of_item[item]).sum(axis=1) + noise * rng.standard_normal(num_rows)
    return {
        "user_id": np.char.add("u", user.astype(str)).astype(object),
        "item_id": np.char.add("i", item.astype(str)).astype(object),
        "user_rating": np.clip(np.round(score), 1, 5).astype(np.float32),
    }


def squared_errors(train, test, embedding_dim):
    """Returns the squared errors of a Bayesian factorization machine."""
    features = {name: rk.layers.IdEmbedding.from_column(train[name], embedding_dim) for name in IDS}
    model = rk.bayesian.factorization_machine(features, train, label="user_rating", verbose=0)
    raw = {name: tf.constant(test[name]) for name in IDS}
    return (model.network(raw).numpy()[:, 0] - test["user_rating"]) ** 2


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("rows per user, rows per item, interaction, noise spread, seed: RMSE of user and item")
    print("biases, sampled biases, vectors; vectors minus biases in standard errors")
    grid = list(itertools.product((4, 12, 40), (1.5, 4, 12, 100), (0.0, 0.5), (0.0, 0.5)))
    for number in range(len(grid) * len(args.seeds)):
        user, item, interaction, spread = grid[number // len(args.seeds)]
        seed = args.seeds[number % len(args.seeds)]
        rows = planted_ratings(user, item, interaction, spread, args.rows, seed)
        train, test = rk.data.random_split(rows, test_fraction=0.2, seed=seed)
        baseline = rk.evaluation.BiasBaseline(train, list(IDS), label="user_rating")
        errors = [
            (baseline(test) - test["user_rating"]) ** 2,
            squared_errors(train, test, 1),
            squared_errors(train, test, 9),
        ]
        difference = errors[2] - errors[0]
        standard_errors = difference.mean() / (difference.std() / np.sqrt(len(difference)))
        biases, sampled, vectors = (np.sqrt(each.mean()) for each in errors)
        print(
            f"{user:8}{item:8}  {interaction:7} {spread:6} {seed:4} {biases:9.4f} {sampled:9.4f}"
            f" {vectors:9.4f} {standard_errors:+9.1f} SE",
            flush=True,
        )


if __name__ == "__main__":
    main()
