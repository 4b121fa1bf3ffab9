"""The guess: what columns are read as and why, and files that no ranker can be trained on."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rankkit.cli.folder import run_lines
from rankkit.cli.guess import as_table, guess
from rankkit.cli.program import read_lines
from rankkit.cli.recipe import Column

from .conftest import write_ratings


def of_small_file(path, **changes):
    columns = {"user": "user", "item": "movie id", "label": "stars", "time": "when"}
    return guess(str(path), **(columns | changes))


def test_columns_are_grouped_by_whom_they_describe(tmp_path):
    found = of_small_file(write_ratings(tmp_path / "ratings.csv"))
    recipe = found.recipe
    assert recipe.user_features == {"age": Column("number")}
    assert recipe.item_features == {"genres": Column("tags", "|")}
    assert recipe.data.title == "movie title"
    assert (recipe.data.task, recipe.data.relevant, recipe.model.kind) == ("ratings", 4, "bayesian")
    assert recipe.split.by == "time"
    assert found.left_out == {
        "movie title": "a different value for almost each item",
        "device": "not of a user or an item, and perhaps not known before the label",
        "mood": "made from the label, and not known when items are ranked",
    }
    # 600 rows of 20 * 15 pairs
    assert found.warnings[0].endswith("rows repeat a pair of user and item; each of them counts.")
    assert "genres       tags of the item    TagsEmbedding    3 tags separated by '|'" in as_table(
        found.lines
    )


def test_labels_of_0_and_1_are_clicks(tmp_path):
    path = write_ratings(tmp_path / "clicks.csv", lambda stars: int(stars > 3))
    recipe = of_small_file(path, time="").recipe
    assert (recipe.data.task, recipe.data.relevant, recipe.model.kind) == ("clicks", 1, "deepfm")
    assert recipe.split.by == "random"


def test_parquet_files_keep_their_types(tmp_path):
    rows = range(200)
    columns = {
        "u": [row % 12 for row in rows],
        "i": [row % 11 for row in rows],
        "y": [row % 5 for row in rows],
        "age": [None if row % 12 == 3 else float(row % 12) for row in rows],
        "level": [None if row % 12 == 3 else row % 12 % 4 for row in rows],
        "tags": [["a"] if row % 11 < 5 else ["b", "c"] for row in rows],
        "shelf_id": [row % 11 // 3 for row in rows],
        "same": [1 for row in rows],
        "blob": [[[1.5]] for row in rows],
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    found = guess(str(tmp_path / "rows.parquet"), "u", "i", "y")
    assert found.recipe.user_features == {"age": Column("number", missing=True)}
    assert found.recipe.item_features == {"tags": Column("tags"), "shelf_id": Column("category")}
    assert found.left_out["level"].endswith("missing values of the type int64")
    assert found.left_out["same"] == found.left_out["blob"] == "the same value in each row"


def test_decimal_commas_are_read(tmp_path):
    rows = range(600)
    lines = [f"{n % 20};{n % 15};{n // 7 % 5},5;{n % 20 % 9},25;a,b;{n % 3}" for n in rows]
    lines[7::20] = [line.replace("7,25", "") for line in lines[7::20]]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["u;i;y;age;list;k", *lines]))
    recipe = guess(str(path), "u", "i", "y").recipe
    assert (recipe.data.delimiter, recipe.data.decimal) == (";", ",")
    assert recipe.user_features == {"age": Column("number")}
    rows = run_lines(read_lines(recipe))["rows"]
    assert rows["y"][6:8] == [0.5, 1.5]
    assert np.isnan(rows["age"][7])
    assert rows["age"][8] == 8.25


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "No files match paths="),
        ("", "files with at least one row"),
        ("u,i,y,t\n", "files with at least one row"),
        ("u,i,z,t\n1,2,3,4\n", "Unknown column of FILE: 'y'. Known: 'u', 'i', 'z', 't'."),
        ("u,i,y,t\n1,2,x,4\n", "Label column 'y' must have numbers"),
        ("u,i,y,t\n1,2,1,4\n2,3,oops,4\n", "Got: 'oops'. Replace them by numbers"),
        ("u,i,y,t\n1,2,1,4\n2,3,1,5\n", "Got: 1 in each of the 2 rows. If the rows are clicks"),
        ("u,i,y,t\n1,2,1,4\n2,3,nan,5\n", "Got: 1 rows without one, out of 2."),
        ("u,i,y,t\n1,2,1,4\n2,3,,5\n", "Got: 1 rows without one, out of 2."),
        ("u,i,y,t\n1,2,1,4\n1,3,2,5\n", "Column 'u' (--user) must have several ids."),
        ("u,i,y,t\n1,2,1,4\n,3,2,5\n", "Column 'u' (--user) must have an id in every row."),
        ("u,i,y,t\n1,2,1,monday\n2,3,2,5\n", "Got: 'monday'. Rewrite the column"),
        ("u,i,y,t\n1,2,1,4\n2,3,2,30.11.2026\n", "Got: '30.11.2026'. Rewrite the column"),
        ("u,i,y,t\n1,2,1,4\n2,3,2,\n", "Column 't' (--time) must have a time in every row."),
        ("u;i;y;t\n1;2;x;4\n", "Label column 'y' must have numbers"),
    ],
)
def test_unsuitable_files_are_refused(tmp_path, text, words):
    path = tmp_path / "rows.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises((ValueError, OSError)) as error:
        guess(str(path), "u", "i", "y", "t")
    assert words in str(error.value).replace(str(path), "FILE")


def test_one_column_has_one_role():
    with pytest.raises(ValueError, match="must be another column. Got: 'u'"):
        guess("rows.csv", "u", "u", "y")
