"""Factored evaluation of networks: the same scores as for rows, with and without a cache."""

import functools

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.ranking.graph import ActivationCache, evaluate_factored

L = rk.layers
USERS, TITLES = ["7", "42", "9"], ["a", "b", "c", "d", "e"]
ROWS = 7
COLUMNS = {
    "user_id": tf.constant(["42"] * ROWS),
    "movie_title": tf.constant(["a", "b", "c", "d", "e", "new", "a"]),
    "timestamp": tf.constant([3, 12, 25, 35, 7, 8, 40], tf.int64),
}


def features(width=9, history=True):
    tags = L.TagsEmbedding(["x", "y", "z"], width)
    genres = L.Attribute(TITLES, [["x"], ["y"], ["x", "y"], [], ["z"]], tags)
    age = L.TimeSinceEmbedding(TITLES, [1, 2, 3, 4, 5], [5, 10], width)
    made = {
        "user_id": L.IdEmbedding(USERS, width),
        "movie_title": L.IdEmbedding(TITLES, width),
        "genres": ("movie_title", genres),
        "era": ("timestamp", L.BucketEmbedding([10, 20, 30], width)),
        "age": (("movie_title", "timestamp"), age),
    }
    if history:
        rated = L.HistoryEmbedding(USERS, [["a", "b"], ["c", "a", "d"], ["b"]], width)
        made["rated"] = (("user_id", "movie_title"), rated)
    return made


def heads():
    return {"rating": L.DenseRatingHead([16, 8]), "steps": L.OrdinalHead([1, 2, 3], [8])}


SCORE = {"rating": 1.0, "steps": 0.5}


class Doubled(L.DenseRatingHead):
    """A user's subclass with another `call`."""

    def call(self, inputs, training=None):
        return 2.0 * super().call(inputs, training=training)


MEMBERS = rk.interactions.FactorizationMachine(num_members=3, groups=[[0, 3], [1, 2]])
NETWORKS = {
    "tower": lambda: rk.models.tower(features(), dropout_rate=0.1, rating_range=(1, 5)),
    "linear": lambda: rk.models.tower(features(), hidden_units=[]),
    "fm": lambda: rk.models.factorization_machine(features(), initial_bias=3.5),
    "svd++": lambda: rk.models.svd_plus_plus(features(), item=["movie_title", "genres"]),
    "deepfm": lambda: rk.models.deepfm(features()),
    "dcn": lambda: rk.models.dcn_v2(features()),
    "dlrm": lambda: rk.models.dlrm(features()),
    "heads": lambda: rk.ranking_network(features(), head=heads(), score=SCORE),
    "shared bottom": lambda: rk.models.shared_bottom(features(), heads(), score=SCORE),
    "mmoe": lambda: rk.models.mmoe(features(), heads(), score=SCORE),
    "ensemble": lambda: rk.ensemble(
        [rk.models.tower(features()), rk.models.deepfm(features(history=False))]
    ),
    "field dropout": lambda: combine(features(), rk.interactions.FieldDropout(0.1)),
    "members": lambda: combine(
        features(12, history=False), rk.interactions.FieldDropout(0.1, MEMBERS), L.EnsembleMean()
    ),
    "replaced": lambda: replaced([8, 4]),
    "function": lambda: combine(features(), lambda x: tf.concat(x, 1) * 2.0, Doubled([8])),
}


def replaced(hidden_units):
    """A tower that was trained on the number of a title and of a user at a time."""
    numbers = {name: L.NormalizedNumber(0.5, 1.0) for name in ("rate", "visits")}
    made = rk.models.tower({**features(history=False), **numbers}, hidden_units=hidden_units)
    rate = L.TargetEncoding(TITLES, [0.1, 0.2, 0.3, 0.4, 0.5], prior=0.25)
    visits = L.CountEncoding([["42", "7"], [3, 12]], [4, 1])
    columns = {"rate": ("movie_title", rate), "visits": (("user_id", "timestamp"), visits)}
    return rk.models.replace_inputs(made, columns)


def combine(layers, interaction, head=None):
    head = head or L.DenseRatingHead([8])
    return rk.ranking_network(layers, interaction=interaction, head=head)


@functools.cache
def network(name):
    tf.keras.utils.set_random_seed(3)
    made = NETWORKS[name]()
    for weight in made.weights:  # zero weights would hide errors
        weight.assign(weight + tf.random.normal(weight.shape, stddev=0.3))
    return made


def with_query(names):
    """Rows with the same query."""
    return {
        name: tf.repeat(column[:1], ROWS, axis=0) if name in names else column
        for name, column in COLUMNS.items()
    }


def with_short_query(columns, names):
    return {name: column[:1] if name in names else column for name, column in columns.items()}


def sides_of(query):
    return {name: "query" if name in query else "candidates" for name in COLUMNS}


def check(outputs, expected):
    for ours, theirs in zip(*map(tf.nest.flatten, (outputs, expected)), strict=True):
        np.testing.assert_allclose(np.broadcast_to(ours, theirs.shape), theirs, atol=1e-5)


@functools.cache
def expected_scores(name, query):
    return network(name)(with_query(query))


def check_factored(made, query):
    """Checks the scores of a query in one row against those of rows with the same query."""
    columns = with_query(query)
    outputs = evaluate_factored(made, with_short_query(columns, query), sides_of(query))
    check(outputs, made(columns))


QUERIES = [("user_id", "timestamp"), ("movie_title",)]


@pytest.mark.parametrize("query", [*QUERIES, tuple(COLUMNS)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_factored_scores_equal_scores_of_rows(name, query):
    columns, made, expected = with_query(query), network(name), expected_scores(name, query)
    short = with_short_query(columns, query)
    check(evaluate_factored(made, short, sides_of(query)), expected)
    check(evaluate_factored(made, columns, sides_of(query)), expected)
    # In an export the sides are found by the lengths of the columns.
    check(evaluate_factored(made, short, {each: each for each in columns}), expected)


@pytest.mark.parametrize("query", [QUERIES[0], ("user_id",)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_cached_candidates_give_equal_scores(name, query):
    columns, sides = with_query(query), sides_of(query)
    cache = ActivationCache("candidates")
    other = {each: tf.zeros([1], columns[each].dtype) for each in query}
    evaluate_factored(network(name), {**columns, **other}, sides, cache)
    query_columns = {each: columns[each][:1] for each in query}
    reused = ActivationCache("candidates", cache.tensors)
    outputs = evaluate_factored(network(name), query_columns, sides, reused)
    check(outputs, expected_scores(name, query))


@pytest.mark.parametrize("is_replaced", [False, True])
def test_first_dense_layer_caches_its_products(is_replaced):
    """The cache of a tower has the products with the kernel, not the repeated vectors."""
    made = rk.models.tower(features(history=False), hidden_units=[16])
    made = replaced([16]) if is_replaced else made
    cache = ActivationCache("candidates")
    evaluate_factored(made, with_short_query(COLUMNS, QUERIES[0]), sides_of(QUERIES[0]), cache)
    products = [tensor for tensor in cache.tensors if tensor.dtype.is_floating]
    assert [tensor.shape for tensor in products] == [(ROWS, 16)]


def test_layers_with_masks_are_evaluated_by_rows():
    """Keras keeps masks as attributes of tensors, which repeated rows would lose."""
    words = tf.keras.layers.Embedding(5, 4, mask_zero=True)
    words.feature_spec = tf.TensorSpec((None, 3), tf.int64)

    class Mean(tf.keras.layers.Layer):
        def call(self, inputs, mask=(None, None)):
            present = tf.cast(mask[0], tf.float32)[..., tf.newaxis]
            return tf.reduce_sum(inputs[0] * present * inputs[1][:, tf.newaxis, :], axis=1)

    made = combine({"words": words, "user_id": L.IdEmbedding(USERS, 4)}, Mean())
    columns = {"words": tf.constant([[1, 2, 0]], tf.int64), "user_id": COLUMNS["user_id"]}
    rows = {**columns, "words": tf.repeat(columns["words"], ROWS, axis=0)}
    sides = {"words": "query", "user_id": "candidates"}
    check(evaluate_factored(made, columns, sides), made(rows))


def test_half_precision_is_evaluated_by_rows():
    """In half precision, a sum of partial products differs in the third digit."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        made = rk.models.tower(features(), hidden_units=[16])
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
    check_factored(made, ("user_id",))


def test_vectors_of_different_dtypes_are_cast_as_by_keras():
    double = L.IdEmbedding(USERS, 4, dtype="float64")
    made = rk.models.tower({**features(), "user_id": double}, hidden_units=[16])
    check_factored(made, ("user_id",))


def test_constant_inputs_of_a_layer_are_kept():
    def interaction(vectors):
        ones = tf.ones((1, 2))
        return tf.keras.layers.Lambda(lambda x: tf.concat([x[0] * x[1][:, :1], x[0]], 1))(
            [sum(vectors), ones]
        )

    check_factored(combine(features(), interaction), ("user_id",))
