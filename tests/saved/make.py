"""Writes the saved files beside this script, which later versions of rankkit have to load.

    python tests/saved/make.py

Run the script only when a change of format is intended: the files represent those of users.
`tests/test_saved_files.py` loads the files and compares their scores with `expected.json`.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import rankkit as rk
import tensorflow as tf

FOLDER = Path(__file__).parent
QUERY = {"user_id": "u3"}
CANDIDATES = {"item_id": ["i0", "i7", "never seen"], "genres": [["a"], ["b", "a"], []]}


def ratings():
    """Ratings of 30 users for 20 items, with a column of tags and one of timestamps."""
    columns, _ = rk.data.synthetic_ratings(400, num_users=30, num_items=20, seed=3)
    rows: dict[str, Any] = dict(columns)
    number = [int(item[1:]) for item in rows["item_id"]]
    rows["genres"] = [["a", "b", "c"][: value % 4] for value in number]
    rows["timestamp"] = [1_600_000_000.0 + 7_200 * value for value in range(400)]
    return rows


def make_model():
    """A network with one layer of most kinds, trained for two epochs."""
    rows = ratings()
    users, items = (rk.data.vocabulary(rows[name]) for name in ("user_id", "item_id"))
    features = {
        "user_id": rk.layers.IdEmbedding(users, 4),
        "item_id": rk.layers.IdEmbedding(items, 4),
        "genres": rk.layers.TagsEmbedding(["a", "b", "c"], 4),
        "year": (
            "item_id",
            rk.layers.Attribute(
                items,
                [1950.0 + 3 * number for number in range(len(items))],
                rk.layers.NormalizedNumber(1980.0, 20.0),
                default=1980.0,
            ),
        ),
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="user_rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    model.fit(rk.data.batches(rows, 64, shuffle=True, seed=1), epochs=2, verbose=0)
    return model


def search(folder):
    """A search of three trials; if it is complete, only the best model is trained again."""
    rows = ratings()
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }
    hypermodel = rk.tuning.RankingHyperModel(
        features,
        label="user_rating",
        space={"tower_width": [4, 8], "learning_rate": (0.01, 0.5), "batch_size": 64},
    )
    return rk.tuning.search(
        hypermodel, rows, directory=folder, max_trials=3, epochs=3, seed=5, verbose=0
    )


def main():
    """Writes all files and their scores."""
    tf.keras.utils.set_random_seed(11)
    for name in ("saved_model", "search"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    model = make_model()
    model.save(FOLDER / "model.keras")
    rk.export.save(model, FOLDER / "saved_model" / "1")
    rk.export.to_tflite(FOLDER / "saved_model" / "1", FOLDER / "model.tflite")
    found = search(FOLDER / "search")
    for log in (FOLDER / "search").glob("tensorboard*"):
        shutil.rmtree(log)  # of no use to a later version
    expected = {
        "scores": scores(model),
        "search": {
            "hyperparameters": found.hyperparameters,
            "score": found.score,
            "trials": [[each["trial"], each["status"], each["score"]] for each in found.trials],
        },
    }
    (FOLDER / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def scores(scorer):
    """Item to its score for one user."""
    return {item["item_id"]: float(score) for item, score in rk.rank(scorer, QUERY, CANDIDATES)}


if __name__ == "__main__":
    main()
