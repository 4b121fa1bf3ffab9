"""The guess: what columns are read as and why, and files that no ranker can be trained on."""

import dataclasses
import datetime
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from rankkit.cli.folder import run_lines
from rankkit.cli.guess import as_table, guess
from rankkit.cli.program import feature_lines, read_lines, split_lines, training_program
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
        "device": "its values differ between the rows of a user, and between those of an item: "
        "perhaps not known before the label",
        "mood": "made from the label, and not known when items are ranked",
    }
    # 600 rows of 20 * 15 pairs
    assert found.warnings[0].endswith("rows repeat a pair of user and item; each of them counts.")
    table = [" ".join(line.split()) for line in as_table(found.lines).splitlines()]
    assert "genres tags of the item TagsEmbedding 3 tags separated by '|'" in table


def test_a_few_missing_cells_do_not_hide_whom_a_column_describes(tmp_path):
    rows = range(600)
    holes = {n for n in rows if n * 7 % 50 == 0}
    names = [f"Item {n % 15}" * (n not in holes) for n in rows]
    ages = [f"{20 + n % 20}" * (n + 1 not in holes) for n in rows]
    returned = ["yes" * (n % 5 == 0 and n % 7 == 0) for n in rows]
    cells = zip(rows, names, ages, returned, strict=True)
    lines = [
        f"u{n % 20},i{n % 15},{n // 7 % 5},{n % 15 // 5},{','.join(each)}" for n, *each in cells
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["u,i,y,shelf_id,name,age,returned", *lines]))
    found = guess(str(path), "u", "i", "y")
    assert found.recipe.user_features == {"age": Column("number")}
    assert found.recipe.item_features == {"shelf_id": Column("category")}
    assert found.recipe.data.title == "name"
    assert list(found.left_out) == ["name", "returned"]
    lines = training_program(found.recipe).splitlines()
    start = lines.index("titles = {}")
    rows = run_lines(read_lines(found.recipe))["rows"]
    rows = {name: column[: max(holes) + 1] for name, column in rows.items()}  # ends with a hole
    titles = run_lines(lines[start : start + 3], {"rows": rows})["titles"]
    assert titles == {f"i{n}": f"Item {n}" for n in range(15)}


def test_a_column_in_another_encoding_is_left_out_by_name(tmp_path):
    path = tmp_path / "rows.csv"
    lines = [f"{n % 7},{n % 5},{n % 3},caf\xe9 {n % 5}" for n in range(100)]
    path.write_text("\n".join(["u,i,y,name", *lines]), encoding="latin-1")
    assert guess(str(path), "u", "i", "y").left_out == {"name": "not text in UTF-8"}


def test_lists_of_who_rated_what_are_left_out_if_the_latest_users_are_new(tmp_path):
    rows = [f"{n % 7 if n < 90 else n},{n % 5},{n % 3},{n}" for n in range(100)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["u,i,y,t", *rows]))
    by_time, at_random = (guess(str(path), "u", "i", "y", time) for time in ("t", ""))
    assert by_time.lines[-1][3] == "who rated what: 100% of the latest rows are of new users"
    assert not by_time.recipe.model.who_rated_what
    assert at_random.recipe.model.who_rated_what
    assert "items_of_user" in training_program(at_random.recipe)
    assert "items_of_user" not in training_program(by_time.recipe)


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
        "born": [
            None if row % 12 == 3 else datetime.date(2000, 1, 1 + row % 12 // 2) for row in rows
        ],
        "area_code": [None if row % 12 == 3 else row % 12 % 5 for row in rows],
        "old": [None if row % 12 == 3 else row % 12 > 5 for row in rows],
        "tags": [["a"] if row % 11 < 5 else None if row % 11 == 7 else ["b", "c"] for row in rows],
        "name": [f"item {row % 11}" if row % 11 else None for row in rows],
        "shelf_id": [row % 11 // 3 for row in rows],
        "same": [1 for row in rows],
        "blob": [[[1.5]] for row in rows],
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    found = guess(str(tmp_path / "rows.parquet"), "u", "i", "y")
    assert found.recipe.user_features == {
        "age": Column("number"),
        "level": Column("number"),
        "born": Column("number"),
        "area_code": Column("category"),
    }
    assert found.recipe.data.title == "name"
    assert found.recipe.item_features == {"tags": Column("tags"), "shelf_id": Column("category")}
    assert found.left_out["old"].endswith("missing values of the type bool")
    assert found.left_out["same"] == found.left_out["blob"] == "the same value in each row"
    read = run_lines(read_lines(found.recipe))["rows"]
    for name in ("age", "level"):
        expected = np.array(columns[name], float)
        np.testing.assert_array_equal(np.array(read[name]), expected)
    seconds = [math.nan if day is None else day.toordinal() * 86400 for day in columns["born"]]
    np.testing.assert_array_equal(
        np.array(read["born"]) - read["born"][0], np.array(seconds) - seconds[0]
    )
    assert [*read["area_code"]] == ["" if n is None else str(n) for n in columns["area_code"]]
    assert [*read["tags"]] == [tags or [] for tags in columns["tags"]]
    assert [*read["name"]] == [name or "" for name in columns["name"]]


def test_decimal_commas_are_read(tmp_path):
    rows = range(600)
    lines = [f"{n % 20};{n % 15};{n // 7 % 5},5;{n % 20 % 9},25;a,b;{n % 3}" for n in rows]
    lines[7::20] = [line.replace("7,25", "") for line in lines[7::20]]
    lines[6::20] = [line.replace("6,25", "NA") for line in lines[6::20]]  # as R writes
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["u;i;y;age;list;k", *lines]))
    recipe = guess(str(path), "u", "i", "y").recipe
    assert (recipe.data.delimiter, recipe.data.decimal) == (";", ",")
    assert recipe.user_features == {"age": Column("number")}
    rows = run_lines(read_lines(recipe))["rows"]
    assert rows["y"][6:8] == [0.5, 1.5]
    assert np.isnan(rows["age"][6:8]).all()
    assert rows["age"][8] == 8.25


def incomplete_table(kind):
    """Returns 100 rows: rows 5 to 8 lack the user, the item, the label and the time."""
    rows = range(100)
    columns = {
        "u": [f"u{n % 7}" for n in rows],
        "i": [n % 5 for n in rows],
        "y": [n * 5 % 7 for n in rows],
        "t": [n + 1_000 for n in rows],
    }
    if kind in ("clicks", "boolean"):
        columns["y"] = [n % 2 == 0 for n in columns["y"]]
    if kind == "floats":
        columns |= {"u": [float(n % 7) for n in rows], "i": [str(n % 5) for n in rows]}
    for row, column in enumerate(columns.values(), 5):
        column[row] = None
    types = [pa.string(), pa.int32(), pa.int8(), pa.timestamp("s")]
    if kind in ("floats", "csv", "commas"):
        types[2] = pa.float64()
    if kind == "floats":
        types[:2] = [pa.float64(), pa.string_view()]
    if kind == "dictionary":
        types[:2] = [pa.dictionary(pa.int8(), pa.string()), pa.uint16()]
    if kind in ("clicks", "boolean"):
        types[2] = pa.bool_()
    return pa.table(
        [pa.array(c, t) for c, t in zip(columns.values(), types, strict=True)], [*columns]
    )


@pytest.mark.parametrize("kind", ["integers", "floats", "dictionary", "csv", "commas", "clicks"])
def test_rows_without_a_user_item_label_or_time_are_left_out(tmp_path, capsys, kind):
    table, path = incomplete_table(kind), tmp_path / "rows.parquet"
    if kind in ("csv", "commas", "clicks"):
        path = tmp_path / "rows.csv"
        csv.write_csv(table, path)
        text = path.read_text().replace('"', "")
        lines = [f"NA{line}" if line.startswith(",") else line for line in text.splitlines()]
        if kind == "commas":
            lines = [line.replace(",", ";") for line in lines]
            lines[1:] = [re.sub(";([0-9]);(?=[0-9]*-)", r";\1,5;", line) for line in lines[1:]]
        path.write_text("\n".join(lines))
    else:
        pq.write_table(table, path)
    found = guess(str(path), "u", "i", "y", "t")
    labels = table["y"].to_pylist()
    kept = [n for n in range(100) if n not in (5, 6, 7, 8)]
    rows = run_lines(read_lines(found.recipe))["rows"]
    shift = 0.5 if kind == "commas" else 0
    assert [*rows["y"]] == [labels[n] + shift for n in kept]
    users = rows["u"].tolist()
    assert users == [n % 7 if kind == "floats" else f"u{n % 7}" for n in kept]
    assert {type(each) for each in users} == {int if kind == "floats" else str}
    assert [*map(str, rows["i"])] == [str(n % 5) for n in kept]
    assert [*rows["t"]] == [n + 1_000 for n in kept]
    assert "4 of 100 rows are left out: they lack u, i, y or t\n" in capsys.readouterr().out
    assert (found.recipe.data.task == "clicks") == (kind == "clicks")


def test_times_may_be_whole_floats(tmp_path):
    path = tmp_path / "rows.csv"
    times = ["", "NA", *(f"{881250949 + 7 * n}.0" for n in range(2, 100))]
    path.write_text(
        "u,i,y,t\n" + "".join(f"{n % 7},{n % 5},{n % 3},{t}\n" for n, t in enumerate(times))
    )
    found = guess(str(path), "u", "i", "y", "t")
    rows = run_lines(read_lines(found.recipe))["rows"]
    assert rows["t"].tolist() == [881250949 + 7 * n for n in range(2, 100)]
    pq.write_table(csv.read_csv(path), tmp_path / "rows.parquet")  # the reader would round them
    with pytest.raises(ValueError, match="must have integers.* Got: 881250963.0. Rewrite"):
        guess(str(tmp_path / "rows.parquet"), "u", "i", "y", "t")
    path.write_text(path.read_text().replace("881250963.0", "881250963.5"))
    with pytest.raises(ValueError, match=r"must have integers.* Got: 881250963.5. Rewrite"):
        guess(str(path), "u", "i", "y", "t")


def test_missing_cells_of_a_boolean_parquet_column_are_refused(tmp_path):
    pq.write_table(incomplete_table("boolean"), tmp_path / "rows.parquet")
    recipe = guess(str(tmp_path / "rows.parquet"), "u", "i", "y", "t").recipe
    with pytest.raises(ValueError, match="Column 'y' of .* as its type is bool. Write it as int"):
        read_lines(recipe)


def test_fractions_in_a_parquet_file_are_no_ids(tmp_path):
    rows = [n % 7 + 0.5 for n in range(100)]
    table = pa.table({"u": rows, "i": [*map(int, rows)], "y": rows})
    pq.write_table(table, tmp_path / "rows.parquet")
    recipe = guess(str(tmp_path / "rows.parquet"), "u", "i", "y").recipe
    with pytest.raises(ValueError, match="'u' of .* must have ids, text or integers. Got: 0.5"):
        read_lines(recipe)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_boolean_labels_are_clicks(tmp_path, name):
    rows = range(100)
    labels = [n * 5 % 7 > 3 for n in rows]
    table = pa.table({"u": [n % 7 for n in rows], "i": [n % 5 for n in rows], "y": labels})
    write = csv.write_csv if name.endswith("csv") else pq.write_table
    write(table, tmp_path / name)
    recipe = guess(str(tmp_path / name), "u", "i", "y").recipe
    assert recipe.data.task == "clicks"
    assert [*run_lines(read_lines(recipe))["rows"]["y"]] == labels


def test_many_missing_cells_do_not_hide_what_a_column_is(tmp_path):
    rows = range(600)
    labels = [n // 7 % 5 for n in rows]
    columns = {
        "color": [f"c{n % 15 % 4}" for n in rows],
        "colour": [f"k{n % 15 % 4}" for n in rows],
        "liked": ["good" if label > 3 else "bad" for label in labels],
        "praised": ["yes" if label > 3 else "" for label in labels],
    }
    for number, name in enumerate(("color", "colour", "liked")):
        columns[name] = [
            c * ((n + number) * 7 % 10 > 2) for n, c in zip(rows, columns[name], strict=True)
        ]
    lines = [
        f"u{n % 20},i{n % 15},{labels[n]},{','.join(c[n] for c in columns.values())}" for n in rows
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([",".join(["u", "i", "y", *columns]), *lines]))
    found = guess(str(path), "u", "i", "y")
    assert found.recipe.item_features == {"color": Column("category")}
    assert found.left_out == {
        "colour": "the same information as 'color'",
        "liked": "made from the label, and not known when items are ranked",
        "praised": "made from the label, and not known when items are ranked",
    }


def test_attributes_that_change_come_from_the_past(tmp_path):
    rows = [f"u{n % 7},{n % 5 if n < 95 else 9},{n % 3},{n},{n}" for n in range(100)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["u,i,y,t,price", *rows[50:], *rows[:50]]))
    recipe = guess(str(path), "u", "i", "y", "t").recipe
    for kind in ("bayesian", "tower"):
        recipe = dataclasses.replace(
            recipe,
            item_features={"price": Column("number")},
            model=dataclasses.replace(recipe.model, kind=kind),
        )
        lines = [*read_lines(recipe), *split_lines(recipe), *feature_lines(recipe)]
        attribute = run_lines(["import tensorflow as tf", *lines])["features"]["price"][1]
        prices = dict(zip(attribute.ids, attribute.values, strict=True))
        # The last training row is 89, or 80 if the validation rows are 81 to 89; 9 is new at 95.
        last = {"bayesian": 89, "tower": 80}[kind]
        assert prices == {str(n % 5): n for n in range(last - 4, last + 1)} | {"9": 95}


ROWS = [f"{n % 7},{n % 5},{n % 3},{n}" for n in range(100)]  # u, i, y, t


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        ("", [], "files with at least one row"),
        ("u,i,y,t", [], "files with at least one row"),
        ("u,i,y,t", ROWS[:19], "must have at least 20 rows, to train on and to test on. Got: 19."),
        ("u,i,z,t", ROWS, "Unknown column of FILE: 'y'. Known: 'u', 'i', 'z', 't'."),
        ("u,i,y,t", [*ROWS, "1,2,oops,4"], "Got: 'oops'. Replace them by numbers"),
        ("u,i,y,t", [*ROWS, "1,2,yes,4"], "Got: 'yes'. Replace them by numbers"),
        ("u,i,y,t", [*ROWS, "1,2,inf,4"], "Got: 1 infinite ones out of 101."),
        ("u,i,y,t", ["1,2,,4"] * 30, "Got: 0, and 30 without u, i, y or t."),
        (
            "u,i,y,t",
            [f"{n % 7},{n % 5},1,{n}" for n in range(50)],
            "Got: 1 in each of the 50 rows. If",
        ),
        (
            "u,i,y,t",
            [f"3,{n % 5},{n % 3},{n}" for n in range(50)],
            "Column 'u' (--user) must have sev",
        ),
        ("u,i,y,t", [*ROWS, "1,2,1,monday"], "Got: 'monday'. Rewrite the column"),
        ("u,i,y,t", [*ROWS, "1,2,1,30.11.2026"], "Got: '30.11.2026'. Rewrite the column"),
        (
            "u,i,y,t",
            [f"{n % 7},{n % 5},{n % 3},8" for n in range(50)],
            "different times. Got: 8 in",
        ),
        ("u;i;y;t", [row.replace(",", ";") for row in [*ROWS, "1,2,x,4"]], "Got: 'x'. Replace"),
    ],
)
def test_unsuitable_files_are_refused(tmp_path, header, rows, words):
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{line}\n" for line in [header, *rows]))
    words = words.replace("FILE", str(path))
    with pytest.raises(ValueError, match=re.escape(words)):
        guess(str(path), "u", "i", "y", "t")


def test_a_missing_file_is_refused():
    with pytest.raises(FileNotFoundError, match="No files match paths='nope.csv'"):
        guess("nope.csv", "u", "i", "y")


def test_one_column_has_one_role():
    with pytest.raises(ValueError, match="must be another column. Got: 'u'"):
        guess("rows.csv", "u", "u", "y")
