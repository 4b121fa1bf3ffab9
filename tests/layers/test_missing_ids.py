"""Cells that are no ids, lists or texts are named by the layers that learn from them."""

import pytest

import rankkit as rk

layers = rk.layers


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.IdEmbedding.from_column(["a", None], 2), "must be ids that are str or int"),
        (
            lambda: layers.HistoryEmbedding.from_columns(["a", None], ["x", "y"], 2),
            "must be ids that are str or int. Got: .*None. Drop the rows without an id",
        ),
        (
            lambda: layers.HistoryEmbedding.from_columns(["a", "b"], ["x", None], 2),
            "must be ids that are str or int",
        ),
        (
            lambda: layers.Attribute.from_columns(
                ["a", float("nan")], ["x", "y"], layers.IdEmbedding(["x"], 2)
            ),
            "must be ids that are str or int",
        ),
        (
            lambda: layers.CrossEmbedding.from_columns(["a", "b"], [1.5, 2.5], 2),
            "values must be ids that are str or int. Got: values=1.5",
        ),
        (
            lambda: layers.TagsEmbedding.from_column([["a"], None], 2),
            "column must be of lists, as other cells are. Got: column=None. A row without members",
        ),
        (
            lambda: layers.TextEmbedding.from_column(["a", None], 2),
            "column must be of str. Got: column=None. Write a missing text as ''",
        ),
    ],
)
def test_it_is_named(make, words):
    with pytest.raises(TypeError, match=words):
        make()
