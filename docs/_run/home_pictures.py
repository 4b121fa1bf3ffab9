"""Makes the figures of the home page from runs on MovieLens 100K.

Usage: python home_pictures.py FOLDER
"""

import os
import sys
from pathlib import Path
from typing import Any

import rankkit as rk  # isort: skip
import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

BLUE, ORANGE, GRAY = "#3b82f6", "#f08c3a", "#8a8f98"  # readable on white and on black
STYLE = {
    "figure.figsize": (4.0, 2.5),
    "figure.constrained_layout.use": True,
    "savefig.dpi": 160,
    "savefig.transparent": True,
    "font.size": 11,
    "lines.linewidth": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": GRAY,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "text.color": GRAY,
    "legend.frameon": False,
}
IDS = ("user_id", "movie_title")


def ids(train: dict, width: int, **kwargs: Any) -> dict:
    """Returns embeddings of user and movie."""
    return {name: rk.layers.IdEmbedding.from_column(train[name], width, **kwargs) for name in IDS}


def ratings(train: dict, test: dict) -> Any:
    """Plots the learning curve of a tower and returns the model."""
    penalty = tf.keras.regularizers.L2(0.003)
    network = rk.models.tower(ids(train, 32, embeddings_regularizer=penalty))
    model = rk.RankingModel(network, label="user_rating")
    model.compile(tf.keras.optimizers.Adam(0.002))
    history = model.fit(
        rk.data.batches(train, 1024, shuffle=True, seed=42),
        epochs=12,
        validation_data=rk.data.batches(test, 4096),
        callbacks=[rk.WeightAveraging()],
        verbose=0,
    ).history
    for name, label, color in (("", "training", BLUE), ("val_", "test", ORANGE)):
        values = history[f"{name}root_mean_squared_error"]
        plt.plot(range(1, 13), values, color=color, label=label)
    plt.gca().set(xlabel="epoch", ylabel="RMSE in stars", ylim=(0.9, 1.0))
    plt.legend()
    return model


def ranking(model: Any, train: dict) -> None:
    """Plots the top movies of a user."""
    seen = train["movie_title"][train["user_id"] == "42"]
    titles, counts = np.unique(train["movie_title"].astype(str), return_counts=True)
    known = {"movie_title": titles[counts >= 100]}
    best = rk.rank(model, {"user_id": "42"}, known, k=6, exclude=seen)[::-1]
    bars = plt.barh(range(len(best)), [score for _, score in best], color=BLUE)
    for bar, (title, _) in zip(bars, best, strict=True):
        middle = bar.get_y() + bar.get_height() / 2
        plt.text(0.1, middle, title[:36], va="center", color="white", fontsize=9)
    plt.yticks([])
    plt.xlim(0, 5)
    plt.xlabel("predicted stars, user 42")


def clicks(train: dict, test: dict) -> None:
    """Plots NDCG of a ranker trained on clicks and of popularity."""
    train, test = (
        {name: rows[name][rows["user_rating"] >= 4] for name in IDS} for rows in (train, test)
    )
    penalty = tf.keras.regularizers.L2(6e-5)
    features = ids(train, 65, embeddings_regularizer=penalty)
    model = rk.RankingModel(rk.models.factorization_machine(features), label="click")
    model.compile(tf.keras.optimizers.Adam(0.003), loss=rk.losses.SoftmaxLoss(), metrics=[])
    batches = rk.data.with_negatives(
        train, 512, item="movie_title", num_negatives=10, lists=True, seed=42
    )
    model.fit(batches, epochs=8, callbacks=[rk.WeightAveraging()], verbose=0)
    candidates = rk.data.with_candidates(test, item="movie_title", exclude=train)
    known = rk.data.with_candidates(train, item="movie_title")
    report = rk.evaluate_ranking(model, candidates, train=known, item="movie_title", relevant=1)
    values = [report.lines[line]["ndcg_at_10"] for line in (1, 0)]  # the biases rank by popularity
    bars = plt.barh(["popularity", "rankkit"], values, color=[GRAY, BLUE], height=0.6)
    plt.bar_label(bars, fmt="%.3f", padding=4)
    plt.xlim(0, 1.25 * max(values))
    plt.xlabel("NDCG@10 among all movies")


def uncertainty(train: dict, test: dict) -> None:
    """Plots the error by the standard deviation of a Bayesian factorization machine."""
    model = rk.bayesian.factorization_machine(
        ids(train, 9), train, label="user_rating", num_samples=24, burn_in=12, verbose=0
    )
    scores = np.asarray(model.predict(rk.data.batches(test, 4096), verbose=0)).ravel()
    std = np.asarray(rk.score_std(model, test)).ravel()
    errors = (scores - test["user_rating"]) ** 2
    groups = np.array_split(np.argsort(std), 8)
    x = [std[group].mean() for group in groups]
    y = [np.sqrt(errors[group].mean()) for group in groups]
    plt.plot(x, y, "o-", color=BLUE)
    plt.gca().set(xlabel="standard deviation of the score", ylabel="RMSE on test rows")


def search(train: dict, folder: Path) -> None:
    """Plots the scores of the trials of a search on a part of the rows."""
    few = {name: column[:10_000] for name, column in train.items()}
    hypermodel = rk.tuning.RankingHyperModel(
        ids(few, 32),
        label="user_rating",
        space={"learning_rate": (1e-3, 3e-2), "optimizer": "adam", "tower_width": (32, 256)},
    )
    found = rk.tuning.search(
        hypermodel, few, directory=folder, max_trials=10, epochs=6, verbose=0, seed=42
    )
    trials = sorted(found.trials, key=lambda trial: trial["score"])
    rates = [trial["learning_rate"] for trial in trials]
    scores = [trial["score"] for trial in trials]
    plt.scatter(rates[1:], scores[1:], 40, color=BLUE)
    plt.scatter(rates[:1], scores[:1], 130, color=ORANGE, marker="*", label="best trial")
    plt.gca().set(xscale="log", xlabel="learning rate", ylabel="validation RMSE")
    plt.legend()


def calibration(model: Any, test: dict) -> None:
    """Plots the mean rating by the mean prediction."""
    scores = np.asarray(model.predict(rk.data.batches(test, 4096), verbose=0)).ravel()
    groups = np.array_split(np.argsort(scores), 12)
    x = [scores[group].mean() for group in groups]
    y = [test["user_rating"][group].mean() for group in groups]
    plt.plot([min(x), max(x)], [min(x), max(x)], color=GRAY, linewidth=1)
    plt.plot(x, y, "o-", color=BLUE)
    plt.gca().set(xlabel="mean prediction", ylabel="mean rating")


def objectives(train: dict) -> None:
    """Plots the outputs of both heads of a network for the movies of a user."""
    heads = {"rating": rk.layers.DenseRatingHead([64]), "click": rk.layers.DenseRatingHead([64])}
    penalty = tf.keras.regularizers.L2(8e-3)
    features = ids(train, 32, embeddings_regularizer=penalty)
    network = rk.models.shared_bottom(features, heads, score={"rating": 1.0, "click": 0.5})
    model = rk.RankingModel(network, label={"rating": "user_rating", "click": "click"})
    loss = {"click": tf.keras.losses.BinaryCrossentropy(from_logits=True)}
    model.compile(tf.keras.optimizers.Adam(0.002), loss=loss, loss_weights="uncertainty")
    rows = {**train, "click": (train["user_rating"] >= 4) * 1.0}
    model.fit(rk.data.batches(rows, 1024, shuffle=True, seed=42), epochs=8, verbose=0)
    titles = rk.data.vocabulary(train["movie_title"], min_count=30)
    outputs = network(
        {"user_id": np.full(len(titles), "42", object), "movie_title": np.array(titles, object)}
    )
    clicked = tf.sigmoid(outputs["click"]).numpy().ravel()
    plt.scatter(outputs["rating"].numpy().ravel(), clicked, 10, color=BLUE, alpha=0.5)
    plt.gca().set(xlabel="predicted rating", ylabel="probability of 4 stars")


def exported(model: Any, test: dict, folder: Path) -> None:
    """Plots the scores of a TensorFlow Lite file against those of the model."""
    rk.export.save(model, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "ranker.tflite")
    rows = {name: test[name][:1000] for name in IDS}
    live = np.asarray(model.predict(rk.data.batches(rows, 1000), verbose=0)).ravel()
    lite = np.asarray(rk.export.load(folder / "ranker.tflite")(rows)).ravel()
    plt.scatter(live, lite, 8, color=BLUE, alpha=0.5)
    plt.text(min(live), max(live), f"largest difference {abs(live - lite).max():.0e}", va="top")
    plt.gca().set(xlabel="score of the model", ylabel="score of the .tflite")


def resident_megabytes() -> float:
    """Returns the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def streaming(train: dict, folder: Path) -> None:
    """Plots the memory for reading a Parquet file against the size of the rows in memory."""
    table = pa.table(train)
    with pq.ParquetWriter(folder / "ratings.parquet", table.schema) as writer:
        for _ in range(125):
            writer.write_table(table)
    batches = rk.data.read_parquet(
        folder / "ratings.parquet", list(train), 80_000, shuffle=True, seed=1
    )
    before = resident_megabytes()
    memory = [resident_megabytes() - before for _ in batches]
    millions = np.arange(1, len(memory) + 1) * 0.08
    plt.plot(millions, millions / table.num_rows * table.nbytes, color=GRAY, label="all rows")
    plt.plot(millions, memory, color=BLUE, label="streamed")
    plt.legend()
    plt.gca().set(xlabel="million rows read", ylabel="memory in MB", ylim=(0, None))


def main() -> None:
    """Makes all figures."""
    folder = Path(sys.argv[1])
    tf.keras.utils.set_random_seed(42)
    plt.switch_backend("agg")
    plt.rcParams.update(STYLE)
    rows = rk.data.movielens("100k", columns=[*IDS, "user_rating"])
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=42)

    def save(name: str) -> None:
        plt.savefig(folder / f"{name}.png")
        plt.close()

    model = ratings(train, test)
    save("ratings")
    ranking(model, train)
    save("ranking")
    calibration(model, test)
    save("calibration")
    exported(model, test, folder / "work" / "export")
    save("exported")
    uncertainty(train, test)
    save("uncertainty")
    objectives(train)
    save("objectives")
    search(train, folder / "work" / "search")
    save("search")
    streaming(train, folder / "work")
    save("streaming")
    clicks(train, test)
    save("clicks")


if __name__ == "__main__":
    main()
