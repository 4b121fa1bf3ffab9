"""Makes the figure of README from runs on MovieLens 100K.

Usage: python docs/_run/readme_picture.py
"""

from pathlib import Path

import rankkit as rk  # isort: skip
import matplotlib.pyplot as plt
import tensorflow as tf
from home_pictures import GRAY, IDS, STYLE, clicks, ranking, ratings


def main() -> None:
    """Writes `docs/_static/readme.png`, which has three plots."""
    tf.keras.utils.set_random_seed(42)
    plt.switch_backend("agg")
    plt.rcParams.update({**STYLE, "figure.figsize": (12.0, 3.0), "savefig.transparent": False})
    rows = rk.data.movielens("100k", columns=[*IDS, "user_rating"])
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=42)
    _, axes = plt.subplots(1, 3)
    titles = ("Training", "Ranking for one user", "Clicks, ranked among all movies")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=12)
    plt.sca(axes[0])
    model = ratings(train, test)
    report = rk.evaluate_ranking(model, test, train=train, item="movie_title")
    biases = report.lines[1]["rmse"]
    plt.axhline(biases, color=GRAY, linewidth=1.5, linestyle="--", label="user and item biases")
    plt.legend()
    plt.sca(axes[1])
    ranking(model, train)
    plt.sca(axes[2])
    clicks(train, test)
    plt.savefig(Path(__file__).parents[1] / "_static" / "readme.png", dpi=110)


if __name__ == "__main__":
    main()
