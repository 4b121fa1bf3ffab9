"""Errors of the layers, which name the argument and show its value."""

import math

import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
IDS, NUMBER = L.IdEmbedding(["x"], 2), L.NormalizedNumber(0.0, 1.0)
PENALIZED = L.IdEmbedding(["x"], 2, activity_regularizer="l2")
NAN = math.nan

VALUE_ERRORS = [
    # Values of another type: tests/test_arguments.py.
    (lambda: L.Attribute(["a"], [1.0], NUMBER), "default must be a raw value .*missing='learn'"),
    (lambda: L.Attribute(["a"], ["x", "y"], IDS), "Got: 2 entries for 1 ids"),
    (lambda: L.Attribute.from_columns(["a", "b"], ["x"], IDS), "Got: 2 ids and 1 values"),
    # Only the outer layer is called: the penalty would be left out.
    (lambda: L.SequenceMean(PENALIZED), "The activity_regularizer of item_layer must be None"),
    (
        lambda: L.SequenceMean(IDS, side_layers=[PENALIZED]),
        r"The activity_regularizer of side_layers\[0\] must be None .*L2.* embeddings_regularizer",
    ),
    (lambda: L.BucketEmbedding([], 2), "boundaries must be a list of at least one"),
    (lambda: L.BucketEmbedding([2, 1], 2), "boundaries must be strictly ascending"),
    (lambda: L.BucketEmbedding([1, 1], 2), "boundaries must be strictly ascending"),
    (lambda: L.BucketEmbedding([1.0, NAN], 2), "boundaries must be finite"),
    (lambda: L.BucketEmbedding([1.0], 2, missing="skip"), "missing must be 'error' or 'learn'. G"),
    (lambda: L.BucketEmbedding.from_column([5, 5], 2), "into 10 buckets: all of its values are 5"),
    (lambda: L.BucketEmbedding.from_column([5, 5, 5, 6], 2, num_buckets=2), "most of its .* are 5"),
    (lambda: L.BucketEmbedding.from_column([1, 2], 2, num_buckets=1), "num_buckets must be .* 2"),
    (lambda: L.CalendarEmbedding("year", 2), "Unknown part 'year'"),
    (lambda: L.CalendarEmbedding("month", 2, utc_offset=60), "between -24 and 24. Got: utc_off"),
    (lambda: L.CrossEmbedding(["a"], [1, 2], 2), "Got: 1 first and 2 second"),
    (lambda: L.CrossEmbedding([], [], 2), "first must be .*at least one id"),
    (lambda: L.CrossEmbedding(["a", "b", "b"], [1, 1, 1], 2), r"unique. Got: \('b', 1\) twice"),
    (lambda: L.CrossEmbedding(["a"], ["x"], 2, width=60), "width must be 1 if .* are strings"),
    (lambda: L.CrossEmbedding(["a"], [1], 2, width=0), "width must be an integer of at least 1"),
    (lambda: L.CrossEmbedding.from_columns(["a"], [1], 2, width=0), "width must be an integer"),
    (lambda: L.CrossEmbedding.from_columns(["a", "b"], [1], 2), "Got: 2 first and 1 second"),
    (lambda: L.DenseRatingHead([8, 0]), r"must be integers of at least 1. Got: .*\[8, 0\]"),
    (lambda: L.DenseRatingHead(dropout_rate=1.0), r"in \[0, 1\). Got: dropout_rate=1.0"),
    (lambda: L.HashedIdEmbedding(1, 4), "num_bins must be an integer of at least 2"),
    (lambda: L.HashedIdEmbedding(9, 4, num_hashes=0), "num_hashes must be an integer"),
    (lambda: L.HistoryEmbedding(["a"], [], 2), "Got: 0 entries for 1 ids"),
    (lambda: L.HistoryEmbedding(["a"], [[]], 2), "All histories are empty. Pass at least one"),
    (lambda: L.HistoryEmbedding.from_columns(["a", "b"], ["x"], 2), "Got: 2 ids and 1 items"),
    (lambda: L.IdEmbedding(["a"], 0), "embedding_dim must be an integer of at least 1. Got: .*=0"),
    (lambda: L.IdEmbedding(["a"], 2, num_oov_indices=0), "num_oov_indices must be .* at least 1"),
    (lambda: L.IdEmbedding(["a"], 2, id_dropout_rate=1.0), "id_dropout_rate must be a number in"),
    (lambda: L.NormalizedNumber.from_column([1, math.inf]), "Each value of column must be finite"),
    (lambda: L.NormalizedNumber.from_column([1, NAN, 3, None]), "NaN or None in 2 of 4 rows"),
    (lambda: L.NormalizedNumber.from_column([NAN], missing="learn"), "NaN and None count as miss"),
    (lambda: L.NormalizedNumber(math.inf, 1.0), "mean must be a finite number"),
    (lambda: L.NormalizedNumber(0.0, 0.0), "standard_deviation must be a finite number above 0"),
    (lambda: L.NormalizedNumber(0.0, 1.0, missing="skip"), "missing must be 'error' or 'learn'"),
    (lambda: L.NormalizedNumber(0.0, 1.0, embedding_dim=0), "embedding_dim must be an integer of"),
    (lambda: L.TagsEmbedding(["a", ""], 2), "vocabulary must not contain '', which is the padding"),
    (lambda: L.TagsEmbedding([0, -1], 2), "vocabulary must not contain -1"),
    (lambda: L.TagsEmbedding(["a"], 2, pooling="max"), "Unknown pooling 'max'. Known: 'mean', 'sq"),
    (lambda: L.TextEmbedding.from_column(["a", "a b"], 2, min_count=3), "min_count=3 .* in 2 dist"),
    (lambda: L.TimeSinceEmbedding(["a"], [1, 2], [5], 2), "Got: 2 entries for 1 ids"),
    (lambda: L.TimeSinceEmbedding(["a"], [1], [5, 5], 2), "boundaries must be strictly ascending"),
    (lambda: L.TimeSinceEmbedding(["a", "a"], [1, 1], [5], 2), "ids contains 'a' more than once"),
    (lambda: L.TimeSinceEmbedding.from_columns(["a", "b"], [1, 2], 2), "all of its values are 0"),
    (lambda: L.TimeSinceEmbedding.from_columns(["a", "b"], [1], 2), "Got: 2 ids and 1 timestamps"),
]

TYPE_ERRORS = [
    (lambda: L.Attribute(["a"], ["x"], tf.keras.layers.Dense(1)), "layer must be a layer of rank"),
    (lambda: L.Attribute(["a"], [3], IDS), r"values\[0\] must be a string for layer"),
    (lambda: L.Attribute(["a", "b"], ["x", ["x"]], IDS), r"values\[1\] .* Use TagsEmbedding"),
    (lambda: L.Attribute(["a"], ["x"], L.TagsEmbedding(["x"], 2)), r"values\[0\] .*Write \['x'\]"),
    (lambda: L.Attribute.from_members(["a"], ["x"], IDS), "layer must be a layer that reads lists"),
    (lambda: L.BucketEmbedding([False, True], 2), "boundaries must be a list of numbers"),
    (lambda: L.CrossEmbedding(["a", "b"], [1.5, 2.5], 2), "Each id in second must be .*Got: 1.5"),
    (lambda: L.CrossEmbedding("ab", [1, 2], 2), "one value per row. Got: first='ab'"),
    (lambda: L.DenseRatingHead(8), "hidden_units must be a sequence .*single width in a list"),
    (lambda: L.HashedIdEmbedding(9, 4)(tf.constant([1])), "ids must be strings"),
    (lambda: L.HashedIdEmbedding(9, 4, integers=True)(tf.constant(["1"])), "ids must be integers"),
    (lambda: L.HistoryEmbedding(["a"], ["xy"], 2), "histories must be a list of items"),
    (lambda: L.IdEmbedding(["a"], 2, name="mine")(1), "ids must be strings, .* of layer 'mine'"),
    (lambda: L.IdEmbedding([1], 2, name="mine")("a"), "ids must be integers, .* of layer 'mine'"),
    (lambda: L.NormalizedNumber.from_column(["1", "2"]), "column must be a list of numbers"),
    (lambda: L.TagsEmbedding(["a"], 2).encode(tf.constant([[1]])), "ids must be strings, like the"),
    (lambda: L.TagsEmbedding.from_column([["a"], None], 2), "Got: None among lists. Write"),
    (lambda: L.TextEmbedding.from_column(["a", None], 2), "be a string. Got: None. Pass '' for a"),
    (lambda: L.TimeSinceEmbedding(["a"], [1.5], [5], 2), "references must be a list of integers"),
    (lambda: L.TimeSinceEmbedding(["a"], [True], [5], 2), "references must be a list of integers"),
    (lambda: L.TimeSinceEmbedding(["a"], [1], [5.5], 2), "boundaries must be a list of integers"),
    (lambda: L.TimeSinceEmbedding.from_columns(["a", "b"], [1.5, 2], 2), "timestamps must be .* i"),
]


@pytest.mark.parametrize(("make", "message"), VALUE_ERRORS)
def test_invalid_value_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(("make", "message"), TYPE_ERRORS)
def test_wrong_type_is_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ([], "vocabulary must .*at least one id"),
        (["a", "b", "a"], "vocabulary contains 'a' more than once"),
        (["a", 1], "vocabulary must .*all str or all int"),
        ([b"a", "b"], "vocabulary must .*str or int.*b'a'.* Decode"),
        (["a\nb"], r"vocabulary must be .*newline.*'a\\nb'"),
        (["a\0b"], r"vocabulary must be .*NUL.*'a\\x00b'"),
        (["\ud800"], r"vocabulary must be .*UTF-8.*'\\ud800'"),
        ([1.5], "vocabulary must .*str or int.*1.5"),
        ([True], "vocabulary must .*str or int.*True"),
    ],
)
@pytest.mark.parametrize("layer_class", [L.IdEmbedding, L.TagsEmbedding])
def test_invalid_vocabulary_is_named(layer_class, vocabulary, message):
    with pytest.raises((ValueError, TypeError), match=message):
        layer_class(vocabulary, 2)


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": NAN}, {"a": True}, {"a": "1"}])
def test_weights_that_are_not_finite_numbers_raise(weights):
    with pytest.raises(ValueError, match="weights must be a finite number for each head"):
        L.WeightedScore(weights)
