import pytest

from rankkit.data.datasets import movielens as movielens_module


@pytest.fixture(scope="session")
def write_archive(tmp_path_factory):
    """Writes made-up ratings in the format of GroupLens's MovieLens 100K archive."""

    def write(num_ratings):
        archive = tmp_path_factory.mktemp("archive")
        files = archive / "ml-100k"
        files.mkdir()
        ratings = [
            f"{row % 50 + 1}\t{row % 30 + 1}\t{row % 5 + 1}\t{880000000 + row}\n"
            for row in range(num_ratings)
        ]
        genres = ["|".join("1" if g == film % 19 else "0" for g in range(19)) for film in range(30)]
        films = [
            f"{film + 1}|Café {film + 1} (1990)|01-Jan-1990||http://film|{genres[film]}\n"
            for film in range(30)
        ]
        users = [
            f"{user}|{20 + user}|{'MF'[user % 2]}|student|{10000 + user}\n" for user in range(1, 51)
        ]
        for name, lines in (("u.data", ratings), ("u.item", films), ("u.user", users)):
            (files / name).write_text("".join(lines), encoding="latin-1")
        return archive

    return write


@pytest.fixture(scope="session")
def archive(write_archive):
    """An archive of 300 ratings."""
    return write_archive(300)


@pytest.fixture
def small_movielens(archive, monkeypatch):
    """Makes `movielens("100k")` prepare 300 ratings, as if GroupLens could not be reached."""
    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: False)
    monkeypatch.setattr(movielens_module, "fetch_100k", lambda folder: archive)
