"""The generated program: it is Python for any names, and reads what the recipe says."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from rankkit.cli.program import Names, training_program
from rankkit.cli.recipe import Column, Data, Model, Recipe, Split

NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=50)  # files: 255 bytes


def make(user, item, label, *features, path="a.csv", **data):
    columns = {name: Column("tags", '"') for name in features}
    return Recipe(Data(path, user, item, label, **data), columns, {}, Split(), Model())


@given(st.lists(NAME, min_size=3, max_size=6, unique=True), NAME.map("{}.csv".format))
def test_any_name_is_quoted(names, path):
    tree = ast.parse(training_program(make(*names, path=path)))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {*names, path.removeprefix("movielens:")} <= texts


@given(st.lists(NAME, min_size=3, max_size=6, unique=True))
def test_names_of_features_are_plain_and_unique(names):
    of = Names(make(*names)).of
    assert list(of) == [name for name in names if name != names[2]]
    plain = [name.lower() for name in of.values()]
    assert all(name.isidentifier() and name.isascii() for name in plain)
    assert len({*plain, names[2].lower()}) == len(plain) + 1
    # A rename never overwrites a column that is still to be read.
    assert all(new == old or new not in names for old, new in of.items())


def test_a_plain_name_stays():
    of = Names(make("User ID", "User_ID", "rating", "k", "user_id")).of
    assert of == {"User ID": "User_ID__", "User_ID": "User_ID", "k": "k_", "user_id": "user_id_"}
