"""A small file of ratings, and a ranker trained with it."""

import csv
import os
import random

import pytest

from rankkit.cli.main import main

COLUMNS = ["user", "movie id", "stars", "when", "age", "movie title", "genres", "device", "mood"]
OPTIONS = ["--user", "user", "--item", "movie id", "--label", "stars", "--time", "when"]


def write_ratings(path, label=lambda stars: stars):
    """Writes 600 ratings of 20 users and 15 movies, which the user and the movie explain."""
    rng = random.Random(1)
    users = [(rng.randint(18, 70), rng.choice([0, 1])) for _ in range(20)]
    movies = [(f"The Film {n}", rng.choice(["war|love", "war", "love|fun"])) for n in range(15)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for row in range(600):
            user, movie = rng.randrange(20), rng.randrange(15)
            stars = min(5, max(1, 2 + 2 * users[user][1] + movie % 2 + rng.choice([-1, 0, 1])))
            age = "" if user == 3 else users[user][0]
            when = f"2026-01-{1 + row // 24:02} {row % 24:02}:00:00"
            mood = "good" if stars > 3 else "bad"
            cells = [f"{user:03}", movie, label(stars), when, age, *movies[movie]]
            writer.writerow([*cells, rng.choice(["web", "app"]), mood])
    return path


@pytest.fixture(scope="session")
def ranker(tmp_path_factory):
    """The folder of a ranker; paths in its recipe are relative to the folder that it lies in."""
    folder = tmp_path_factory.mktemp("cli")
    write_ratings(folder / "ratings.csv")
    before = os.getcwd()
    os.chdir(folder)
    try:
        assert main(["train", "ratings.csv", *OPTIONS]) == 0
    finally:
        os.chdir(before)
    return folder / "ranker"
