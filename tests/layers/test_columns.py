"""What `from_column` and `from_columns` of every layer do with columns of all kinds."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
NAN = float("nan")
WORDS = ["a", "b", "a", "c"]
NUMBERS = [3, 1, 2, 3]
GENRES = L.TagsEmbedding(["a", "b", "c"], 2)
NUMBER = L.NormalizedNumber(2.0, 1.0)
BLOCKS = ("NormalizedNumbers", "PeriodicEmbedding", "PiecewiseLinearEmbedding")
ARROW = {str: "string[pyarrow]", int: "int64[pyarrow]"}

# A layer from the column under test, and the kind of cells that it reads.
MAKERS = {
    "Attribute of ids": (lambda c: L.Attribute.from_columns(c, WORDS, words()), "id"),
    "Attribute of words": (lambda c: L.Attribute.from_columns([1, 2, 3, 4], c, words()), "word"),
    "Attribute of numbers": (
        lambda c: L.Attribute.from_columns([1, 2, 3, 4], c, NUMBER, default=0), "number"),
    "Attribute of members": (lambda c: L.Attribute.from_members(NUMBERS, c, GENRES), "word"),
    "BucketEmbedding": (lambda c: L.BucketEmbedding.from_column(c, 2, num_buckets=2), "number"),
    "CountEncoding": (lambda c: L.CountEncoding.from_columns(c), "id"),
    "CrossEmbedding, first": (lambda c: L.CrossEmbedding.from_columns(c, WORDS, 2), "id"),
    "CrossEmbedding, second": (lambda c: L.CrossEmbedding.from_columns(WORDS, c, 2), "id"),
    "HashedIdEmbedding": (lambda c: L.HashedIdEmbedding.from_column(c, 2, num_bins=9), "id"),
    "HistoryEmbedding, ids": (lambda c: L.HistoryEmbedding.from_columns(c, WORDS, 2), "id"),
    "HistoryEmbedding, items": (lambda c: L.HistoryEmbedding.from_columns(WORDS, c, 2), "id"),
    "IdAttributesEmbedding": (
        lambda c: L.IdAttributesEmbedding.from_column(c, 2, [kinds(c)]), "id"),
    "IdEmbedding": (lambda c: L.IdEmbedding.from_column(c, 2), "id"),
    "NormalizedNumber": (lambda c: L.NormalizedNumber.from_column(c), "number"),
    "OneHot": (lambda c: L.OneHot.from_column(c), "id"),
    "TagsEmbedding": (lambda c: L.TagsEmbedding.from_column(c, 2), "list"),
    "TargetEncoding, ids": (lambda c: L.TargetEncoding.from_columns(c, [1, 0, 0, 1]), "id"),
    "TargetEncoding, labels": (lambda c: L.TargetEncoding.from_columns(WORDS, c), "number"),
    "TextEmbedding": (lambda c: L.TextEmbedding.from_column(c, 2), "word"),
    "TimeSinceEmbedding, ids": (
        lambda c: L.TimeSinceEmbedding.from_columns(c, [1, 2, 30, 4], 2, num_buckets=4), "id"),
    "TimeSinceEmbedding, timestamps": (
        lambda c: L.TimeSinceEmbedding.from_columns(["u"] * 4, c, 2, num_buckets=2), "time"),
}  # fmt: skip


def kinds(column):
    """Attributes of the ids in a column."""
    layer = L.IdEmbedding(["a", "b", "c"], 2, name="words")
    return L.Attribute.from_columns(column, WORDS, layer, default="a", name="kinds")


def words():
    return L.IdEmbedding(["a", "b", "c"], 2)


def of(*kinds):
    return [pytest.param(make, id=name) for name, (make, kind) in MAKERS.items() if kind in kinds]


def config(layer):
    """The config of a layer without its name, and that of the layer inside."""
    found = layer.get_config()
    inner = config(layer.layer) if isinstance(layer, L.Attribute) else None
    return {**{k: v for k, v in found.items() if k != "name"}, "layer": inner}


def test_every_layer_with_columns_has_a_maker():
    # Those that read a matrix are in tests/layers/test_number_block.py.
    made = {name for name in L.__all__ if any(hasattr(getattr(L, name), f"from_column{s}")
                                              for s in ("", "s"))} - set(BLOCKS)  # fmt: skip
    assert made == {name.partition(",")[0].partition(" ")[0] for name in MAKERS}


CONTAINERS = {
    "tuple": tuple,
    "array": np.array,
    "bytes or int8": lambda cells: np.array(cells, "S" if cells is WORDS else np.int8),
    "objects": lambda cells: np.array(cells, object),
    "mask without masked cells": np.ma.array,
    "pandas": pd.Series,
    "nullable": lambda cells: pd.Series(cells).convert_dtypes(),
    "category": lambda cells: pd.Series(cells, dtype="category"),
    "arrow": pa.array,
    "arrow dictionary": lambda cells: pa.array(cells).dictionary_encode(),
    "arrow chunks": lambda cells: pa.chunked_array([cells[:1], cells[1:]]),
    "tensor": tf.constant,
}


@pytest.mark.parametrize("name", MAKERS)
def test_columns_of_all_types_are_equal(name):
    make, kind = MAKERS[name]
    for cells, others in ((WORDS, ("number", "time")), (NUMBERS, ("word",))):
        if kind not in others:
            expected = config(make(cells))
            for container, function in CONTAINERS.items():
                assert config(make(function(cells))) == expected, container


NOT_SINGLE = {
    "matrix": np.arange(8).reshape(4, 2),
    "matrix of text": np.array([WORDS, WORDS]).T,
    "frame": pd.DataFrame({"a": NUMBERS}),
    "lists": [["a"], ["b"], ["a"], ["c"]],
    "tuples": [(1, 2), (3, 4), (5, 6), (7, 8)],
    "arrow lists": pa.array([["a"], ["b"], ["a"], ["c"]]),
    "ragged": tf.ragged.constant([["a"], ["b"], [], ["c", "a"]]),
}


@pytest.mark.parametrize("column", NOT_SINGLE)
@pytest.mark.parametrize("make", of("id", "word", "number", "time"))
def test_lists_and_matrices_are_refused(make, column):
    text = r"single value in each row\. Got: .*Pass|Use TagsEmbedding"
    with pytest.raises(TypeError, match=text):
        make(NOT_SINGLE[column])


@pytest.mark.parametrize("column", ["abc", b"abc", 5, None, {"a": 1}, np.array(5), iter("abcd")])
@pytest.mark.parametrize("make", of("id", "word", "number", "time", "list"))
def test_single_values_are_refused(make, column):
    text = r"^\w+ must be an array or list of one value per row\. Got: "
    with pytest.raises(TypeError, match=text):
        make(column)


@pytest.mark.parametrize(
    "column", [[], np.array([]), pa.array([], pa.string()), pd.Series([], dtype=str)]
)
@pytest.mark.parametrize("make", of("id", "word", "number", "time", "list"))
def test_empty_columns_are_refused(make, column):
    with pytest.raises(ValueError, match=r"at least one|one value for each training row\. Got: "):
        make(column)


SECOND_IS_MISSING = [False, True, False, False]
# Columns of which the second cell is missing.
MISSING = {
    "None": lambda cells: [cells[0], None, *cells[2:]],
    "NaN": lambda cells: [cells[0], NAN, *cells[2:]],
    "masked": lambda cells: np.ma.array(cells, mask=SECOND_IS_MISSING),
    "masked objects": lambda cells: np.ma.array(cells, object, mask=SECOND_IS_MISSING),
    "pandas": lambda cells: pd.Series(cells).mask(SECOND_IS_MISSING),
    "nullable": lambda cells: pd.Series(cells).convert_dtypes().mask(SECOND_IS_MISSING),
    "pandas of arrow": lambda cells: pd.Series(
        MISSING["arrow"](cells), dtype=ARROW[type(cells[0])]
    ),
    "arrow": lambda cells: pa.array([cells[0], None, *cells[2:]]),
}


@pytest.mark.parametrize("column", [*MISSING, "all"])
@pytest.mark.parametrize("make", of("id", "word", "list"))
def test_missing_ids_and_texts_are_refused(make, column):
    # The cell is named, and no fix would write the text "None" or "nan".
    text = r"Got: .*(None|nan|<NA>)\. (Drop the rows|Write ''|Pass '' for|Leave out)(?!.*astype)"
    with pytest.raises(TypeError, match=text):
        make([None] * 4 if column == "all" else MISSING[column](WORDS))


@pytest.mark.parametrize("column", MISSING)
@pytest.mark.parametrize("make", of("id", "number", "time"))
def test_missing_numbers_are_refused_at_once(make, column):
    text = r"(Got: .*(None|nan|missing or infinite)).*(Drop|missing='learn')"
    with pytest.raises((TypeError, ValueError), match=text):
        make(MISSING[column](NUMBERS))


@pytest.mark.parametrize("column", MISSING)
def test_missing_numbers_are_learned(column):
    cells = MISSING[column](NUMBERS)
    layers = [
        L.NormalizedNumber.from_column(cells, missing="learn"),
        L.BucketEmbedding.from_column(cells, 2, num_buckets=2, missing="learn"),
    ]
    assert layers[0].mean == pytest.approx(8 / 3)
    assert layers[1].boundaries.tolist() == [3.0]
    (batch,) = rk.data.batches({"x": cells}, 4)
    assert np.isnan(batch["x"]).tolist() == [False, True, False, False]
    for layer in layers:
        assert np.isfinite(layer(batch["x"])).all()
        attribute = L.Attribute.from_columns([*WORDS[:3], "d"], cells, layer)
        assert np.isfinite(attribute(tf.constant(["b", "unknown"]))).all()


@pytest.mark.parametrize("missing", ["error", "learn"])
@pytest.mark.parametrize(
    ("column", "message"),
    [
        *((column, "must (be a list|have a number)") for column in ([NAN] * 4, [None] * 4)),
        *((column, "are (5|1).*leave") for column in ([5] * 4, [5.0] * 4, [True] * 4)),
        ([5, None, 5], "are 5.*leave|must have a number in every row"),
    ],
)
def test_columns_without_two_numbers_are_refused(column, message, missing):
    with pytest.raises((TypeError, ValueError), match=message):
        L.NormalizedNumber.from_column(column, missing=missing)
    with pytest.raises((TypeError, ValueError), match=message):
        L.BucketEmbedding.from_column(column, 2, missing=missing)


@pytest.mark.parametrize("layer", ["Bucket", "HashedId", "Id", "Tags", "Text"])
def test_errors_have_the_name_of_a_pandas_column(layer):
    arguments = {"num_bins": 9} if layer == "HashedId" else {}
    make = getattr(L, f"{layer}Embedding").from_column
    for column in (pd.Series([None, "a"], name="C17"), pd.Series([1.5, NAN], name="C17")):
        text = "^(Column|Each [a-z]+ in column) 'C17' must "
        with pytest.raises((TypeError, ValueError), match=text):
            make(column, 2, **arguments)


def test_booleans_are_numbers_and_categories_but_not_ids():
    both = [True, False]
    for column in (both, pd.Series(both, dtype="boolean"), pa.array(both)):
        one_hot = L.OneHot.from_column(column)
        assert one_hot.vocabulary == [0, 1]
        assert L.BucketEmbedding.from_column(column, 2, num_buckets=2).boundaries.tolist() == [1]
        with pytest.raises(TypeError, match=r"Ids in column must be str or int\. Got: .* bool"):
            L.IdEmbedding.from_column(column, 2)
    network = rk.ranking_network({"new": one_hot}, head=L.DenseRatingHead([]))
    assert network({"new": tf.constant(both)}).shape == (2, 1)


@pytest.mark.parametrize("make", of("id", "list", "word"))
@pytest.mark.parametrize(
    "column", [[1.5, 2.5, 1.5, 3.5], np.array([1j] * 4), [datetime.timedelta(1)] * 4]
)
def test_other_types_are_not_ids(make, column):
    with pytest.raises(TypeError, match=r"must be|ids must be"):
        make(column)


@pytest.mark.parametrize("ids", [{"a", "b"}, {"a": 1}, pd.DataFrame({"a": [1]}), np.array([["a"]])])
def test_vocabularies_without_an_order_are_refused(ids):
    with pytest.raises(TypeError, match=r"vocabulary must be .*ids.*Got: "):
        L.IdEmbedding(ids, 2)
