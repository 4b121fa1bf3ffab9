"""Synthetic ratings whose lowest possible error is known."""

import numpy as np

from rankkit.utils.errors import invalid

_GLOBAL_MEAN = 3.5
_USER_STDDEV = 0.4
_ITEM_STDDEV = 0.5
_TASTE_STDDEV = 0.7
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
    """Ratings drawn from a planted model, and the lowest RMSE that any model can reach on them.

    A rating is a global mean, a bias of the user, a bias of the item, the dot product of a vector
    of each, and noise: `3.5 + b_u + b_i + p_u . q_i + noise * N(0, 1)`. The standard deviations
    of the three middle terms over users and items are 0.4, 0.5 and 0.7. Ratings are not clipped
    to a scale: noise that is cut off would no longer bound the error. Users are drawn evenly and
    items by Zipf's law, `i0` most often; a pair can come more than once, each time with new noise.

    Args:
        num_rows: Number of ratings.
        num_users: Number of users to draw from. Defaults to `300`.
        num_items: Number of items to draw from. Defaults to `200`.
        num_factors: Length of the users' and items' vectors. Defaults to `2`.
        noise: Standard deviation of the noise, in rating points. Defaults to `0.9`.
        seed: Seed of everything drawn; no global seed matters. Defaults to `0`.

    Returns:
        The columns and the bound. The columns are `user_id` and `item_id` (`str`), `user_rating`
        and `expected_rating`, the rating before noise (`float32`). The bound is `noise`: in
        expectation, no prediction for unseen rows has a lower RMSE.

    Raises:
        ValueError: If a count is not positive or `noise` is negative.

    Example:
        >>> import rankkit as rk
        >>> ratings, best_rmse = rk.data.synthetic_ratings(1000, num_users=50, noise=0.5)
        >>> list(ratings), len(ratings["user_rating"]), best_rmse
        (['user_id', 'item_id', 'user_rating', 'expected_rating'], 1000, 0.5)
    """
    counts = {"num_rows": num_rows, "num_users": num_users, "num_items": num_items}
    for name, count in {**counts, "num_factors": num_factors}.items():
        if not isinstance(count, int | np.integer) or count < 1:
            raise invalid(name, count, "a positive whole number", "Ask for at least 1.")
    if not 0 <= noise < float("inf"):
        raise invalid("noise", noise, "a standard deviation of at least 0", "Give 0 for none.")
    random = np.random.default_rng(seed)
    world = _World(random, num_users, num_items, num_factors)
    users = random.integers(num_users, size=num_rows, dtype=np.int32)
    popularity = 1 / np.arange(1, num_items + 1)
    # Inverting the distribution is several times faster than `random.choice(p=...)` at this size.
    reached = np.cumsum(popularity / popularity.sum())[:-1]
    items = np.searchsorted(reached, random.random(num_rows), side="right")
    expected = np.empty(num_rows, np.float32)
    for start in range(0, num_rows, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        expected[part] = world.expected(users[part], items[part])
    ratings = random.standard_normal(num_rows, np.float32)
    ratings *= noise
    ratings += expected
    columns = {
        "user_id": _ids("u", num_users)[users],
        "item_id": _ids("i", num_items)[items],
        "user_rating": ratings,
        "expected_rating": expected,
    }
    return columns, float(noise)


class _World:
    """The planted model."""

    def __init__(self, random: np.random.Generator, users: int, items: int, factors: int):
        self._user_bias = random.normal(_GLOBAL_MEAN, _USER_STDDEV, users)
        self._item_bias = random.normal(0, _ITEM_STDDEV, items)
        # A product of `factors` pairs of independent values has this standard deviation squared
        # once for each side of a pair, summed over the pairs.
        stddev = (_TASTE_STDDEV / factors**0.5) ** 0.5
        self._user_taste = random.normal(0, stddev, (users, factors))
        self._item_taste = random.normal(0, stddev, (items, factors))

    def expected(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        taste = np.einsum("nk,nk->n", self._user_taste[users], self._item_taste[items])
        return self._user_bias[users] + self._item_bias[items] + taste


def _ids(prefix: str, count: int) -> np.ndarray:
    return np.array([f"{prefix}{number}" for number in range(count)], dtype=object)
