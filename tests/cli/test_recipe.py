"""The recipe: what is written is read, and mistakes of an edit are named."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rankkit.cli.recipe import Column, Data, Model, Recipe, Split, read_recipe, write_toml

NAME = st.text(st.characters(codec="utf-8"), min_size=1)


def make(*names, **data):
    user, item, label, *features = names
    columns = {name: Column("tags", "|") for name in features[:1]}
    others = {name: Column("number") for name in features[1:]}
    return Recipe(Data("a.csv", user, item, label, **data), columns, others, Split(), Model())


@given(st.lists(NAME, min_size=3, max_size=6, unique=True), NAME)
def test_any_names_of_columns_survive(tmp_path_factory, names, reason):
    recipe = make(*names)
    path = tmp_path_factory.getbasetemp() / "recipe.toml"
    path.write_text(write_toml(recipe, {"left\nout": reason}), encoding="utf-8", newline="")
    assert read_recipe(path) == recipe


def test_written_text(tmp_path):
    text = write_toml(make("user", "item", "label", 'a."b"\n', "age", time="t"), {"x": "empty"})
    tables = tomllib.loads(text)
    assert tables["features"]["user"] == {'a."b"\n': {"kind": "tags", "separator": "|"}}
    assert tables["features"]["item"] == {"age": "number"}
    assert 'time = "t"\n' in text
    assert text.endswith("# x: empty\n")


TEXT = write_toml(make("user", "item", "label", "genres", "age"), {})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[split]", "[splitt]", "Unknown table in {}: 'splitt'. Known: 'data', 'split', 'model', "),
        ('user = "user"', 'usr = "user"', "Unknown key of [data] in {}: 'usr'."),
        ('user = "user"\n', "", "{} must have the key 'data.user'. Add it"),
        ("seed = 42", 'seed = "42"', "The key 'model.seed' in {} must be an integer. Got: '42'."),
        ("seed = 42", "seed = true", "The key 'model.seed' in {} must be an integer. Got: True."),
        ("seed = 42", "seed = -1", "The key 'model.seed' in {} must be at least 0. Got: -1."),
        ("test_fraction = 0.1", "test_fraction = 1", "must be between 0 and 1. Got: 1."),
        ("batch_size = 1024", "batch_size = 0", "'model.batch_size' in {} must be above 0."),
        ('"bayesian"', '"magic"', "must be one of 'bayesian', 'deepfm', 'tower'. Got: 'magic'."),
        ('"ratings"', '"clicks"', "must be 'deepfm' or 'tower' for clicks. Got: 'bayesian'."),
        ('by = "random"', 'by = "time"', "must have the key 'data.time', as 'split.by' is"),
        ("[features.item]", "[features.items]", "Unknown table of [features] in {}: 'items'."),
        ("[features.item]", "[features.item]\ngenres = 'tags'", "Column 'genres' in {} must be"),
        ("[features.item]", "[features.item]\nx = 'tag'", "The key 'features.item.x.kind' in {} "),
        ('kind = "tags"', 'kind = "text"', "The separator of column 'genres' in {} must be left"),
        (
            '{ kind = "tags", separator = "|" }',
            '"tags"',
            "Tags of a CSV file need a separator: write "
            'genres = { kind = "tags", separator = ";" } in {}',
        ),
        ("[data]", "data = 1\n[dat]", "The key 'data' in {} must be a table: [data]. Got: 1."),
        ("[data]", "[data", "{} cannot be read as a recipe in TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, words):
    assert old in TEXT
    path = tmp_path / "ranker.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises((ValueError, TypeError)) as error:
        read_recipe(path)
    assert words.replace("{}", str(path)) in re.sub(
        f"'({re.escape(str(path))})'", r"\1", str(error.value)
    )


def test_a_missing_recipe_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"nope.toml' cannot be read as a recipe in TOML: "):
        read_recipe(tmp_path / "nope.toml")
