"""Synthetic ratings with a known lowest error."""

import numpy as np

from rankkit.utils.errors import check_integer, check_number

_GLOBAL_MEAN = 3.5
_USER_STDDEV = 0.4
_ITEM_STDDEV = 0.5
_INTERACTION_STDDEV = 0.7
_ROWS_AT_ONCE = 1_000_000


def synthetic_ratings(
    num_rows: int,
    *,
    num_users: int = 300,
    num_items: int = 200,
    num_factors: int = 2,
    noise: float = 0.9,
    seed: int = 0,
) -> tuple[dict[str, np.ndarray], float]:
    """Samples ratings from a known model, and returns the lowest RMSE that any model can reach.

    A rating is the sum of a global mean, a user bias, an item bias, the dot product of a user
    vector and an item vector, and noise: `3.5 + b_u + b_i + p_u . q_i + noise * N(0, 1)`. The
    standard deviations of the three middle terms over users and items are 0.4, 0.5 and 0.7.
    Ratings are not clipped to a scale: with clipped noise, the bound would not hold. Users are
    uniformly distributed and items follow Zipf's law, with `i0` the most frequent. A pair may occur
    several times, with independent noise.

    Args:
        num_rows: Number of ratings.
        num_users: Number of users. Defaults to `300`.
        num_items: Number of items. Defaults to `200`.
        num_factors: Dimension of the user and item vectors. Defaults to `2`.
        noise: Standard deviation of the noise, in rating points. Defaults to `0.9`.
        seed: Random seed; global seeds have no effect. Defaults to `0`.

    Returns:
        The columns and the bound. The columns are `user_id` and `item_id` (`str`), `user_rating`
        and `expected_rating`, the rating without noise (`float32`). The bound is `noise`: in
        expectation, no prediction of unseen rows has a lower RMSE.

    Raises:
        ValueError: If a count is not a positive integer or `noise` is not a number of at least 0.

    Example:
        >>> import rankkit as rk
        >>> ratings, best_rmse = rk.data.synthetic_ratings(1000, num_users=50, noise=0.5)
        >>> list(ratings), len(ratings["user_rating"]), best_rmse
        (['user_id', 'item_id', 'user_rating', 'expected_rating'], 1000, 0.5)
    """
    counts = {"num_rows": num_rows, "num_users": num_users, "num_items": num_items}
    for name, count in {**counts, "num_factors": num_factors}.items():
        check_integer(name, count)
    check_integer("seed", seed, 0)
    check_number("noise", noise, "a number of at least 0", "Pass 0 for no noise.", least=0)
    rng = np.random.default_rng(seed)
    user_bias = rng.normal(_GLOBAL_MEAN, _USER_STDDEV, num_users)
    item_bias = rng.normal(0, _ITEM_STDDEV, num_items)
    # A sum of `num_factors` products of two independent values has the variance
    # num_factors * stddev**4.
    stddev = (_INTERACTION_STDDEV / num_factors**0.5) ** 0.5
    user_vectors = rng.normal(0, stddev, (num_users, num_factors))
    item_vectors = rng.normal(0, stddev, (num_items, num_factors))
    users = rng.integers(num_users, size=num_rows, dtype=np.int32)
    popularity = 1 / np.arange(1, num_items + 1)
    # Inverse transform sampling is several times faster than `rng.choice(p=...)` at this size.
    cumulative = np.cumsum(popularity / popularity.sum())[:-1]
    items = np.searchsorted(cumulative, rng.random(num_rows), side="right")
    expected = np.empty(num_rows, np.float32)
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        u, i = users[part], items[part]
        interaction = np.einsum("nk,nk->n", user_vectors[u], item_vectors[i])
        expected[part] = user_bias[u] + item_bias[i] + interaction
    ratings = rng.standard_normal(num_rows, np.float32)
    ratings *= noise
    ratings += expected
    columns = {
        "user_id": _ids("u", num_users)[users],
        "item_id": _ids("i", num_items)[items],
        "user_rating": ratings,
        "expected_rating": expected,
    }
    return columns, float(noise)


def _ids(prefix: str, count: int) -> np.ndarray:
    return np.array([f"{prefix}{number}" for number in range(count)], dtype=object)
