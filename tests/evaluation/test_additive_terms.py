import inspect

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

RNG = np.random.default_rng(42)
ROWS = {
    "query_id": np.repeat([1, 2, 3, 4], 5),
    "docs": RNG.normal(3, 2, (20, 3)).astype(np.float32),
    "query_length": np.repeat([3.0, 7.0, 1.0, 2.0], 5).astype(np.float32),
    "age": RNG.integers(0, 9, 20),
    "genre": np.array(["a", "b"] * 10),
}
ROWS["docs"][[3, 7], 1] = np.nan
NAMES = ["clicks", "price", "bm25"]


def docs(kind=rk.layers.NormalizedNumbers, **kwargs):
    layer = kind.from_column(ROWS["docs"], missing="learn", **kwargs)
    layer.set_weights([RNG.normal(size=each.shape) for each in layer.get_weights()])
    return layer


def network(features):
    return rk.ranking_network(features, head=rk.layers.AdditiveHead([4], activation="tanh"))


def scores(scorer, rows):
    network = getattr(scorer, "network", scorer)
    return network({name: tf.constant(rows[name]) for name in network.input}).numpy()[:, 0]


def keras_numbers():
    """A Keras layer of the numbers of a column."""
    layer = tf.keras.Sequential([tf.keras.layers.Rescaling(0.5), tf.keras.layers.Reshape((1,))])
    layer.feature_spec = tf.TensorSpec((None,), tf.float32)
    return layer


@pytest.mark.parametrize(
    ("features", "names"),
    [
        (lambda: {"docs": docs()}, ["docs[0]", "docs[1]", "docs[2]"]),
        (
            lambda: {
                "docs": docs(column_names=NAMES),
                "embedded": ("docs", docs(rk.layers.PiecewiseLinearEmbedding, embedding_dim=4)),
                "periodic": ("docs", docs(rk.layers.PeriodicEmbedding, embedding_dim=3)),
                "query_length": keras_numbers(),
            },
            [*NAMES, "query_length"],
        ),
        (
            lambda: {
                "docs": docs(column_names=["clicks", "age", "bm25"]),
                "age": rk.layers.NormalizedNumber.from_column(ROWS["age"]),
                "bucket": ("age", rk.layers.BucketEmbedding([3, 6], 2)),
            },
            ["clicks", "docs[age]", "bm25", "age"],  # the column and that of the matrix
        ),
    ],
)
def test_terms_are_the_differences_of_scores_that_a_column_makes(features, names, tmp_path):
    trained = network(features())
    found = rk.evaluation.additive_terms(rk.RankingModel(trained, label="click"), ROWS)
    assert set(found) == set(names)
    stds = [term.std for term in found.values()]
    assert stds == sorted(stds, reverse=True)
    start = {name: np.repeat(column[:1], 20, axis=0) for name, column in ROWS.items()}
    for name in names:  # the column varies, and all others are those of row 0
        changed = {key: column.copy() for key, column in start.items()}
        if name in ROWS:
            column = changed[name] = ROWS[name]
        else:
            index = names.index(name)
            column = changed["docs"][:, index] = ROWS["docs"][:, index]
        order = np.argsort(column, kind="stable")
        added = scores(trained, changed)
        term = found[name]
        np.testing.assert_array_equal(term.values, column[order])
        np.testing.assert_allclose(term.contributions, (added - added.mean())[order], atol=1e-5)
        assert term.std == pytest.approx(added.std(), rel=1e-3, abs=1e-6)
    trained.save(tmp_path / "ranker.keras")
    loaded = tf.keras.models.load_model(tmp_path / "ranker.keras")
    again = rk.evaluation.additive_terms(loaded, ROWS)
    assert [each.std for each in again.values()] == stds


BLOCKS = [
    layer
    for layer in [getattr(rk.layers, name) for name in rk.layers.__all__]
    if "column_names" in inspect.signature(layer).parameters
]


@pytest.mark.parametrize("kind", BLOCKS)
def test_every_block_of_numbers_has_contributions(kind):
    found = rk.evaluation.additive_terms(network({"docs": docs(kind, column_names=NAMES)}), ROWS)
    assert set(found) == set(NAMES)
    assert all(np.ptp(term.contributions) > 0 for term in found.values())


def test_a_column_of_the_query_does_not_change_the_order():
    trained = network({"docs": docs(), "query_length": keras_numbers()})
    overall = rk.evaluation.additive_terms(trained, ROWS)
    within = rk.evaluation.additive_terms(trained, ROWS, query="query_id")
    assert overall["query_length"].std > 0.01
    assert within["query_length"].std == pytest.approx(0, abs=1e-6)
    assert list(within)[-1] == "query_length"
    term = within["docs[0]"]
    np.testing.assert_array_equal(term.contributions, overall["docs[0]"].contributions)
    by_row = term.contributions[np.argsort(np.argsort(ROWS["docs"][:, 0]))]
    by_query = by_row.reshape(4, 5)  # five rows of each query
    expected = np.sqrt(np.mean(by_query.var(axis=1)))
    assert term.std == pytest.approx(expected)


def test_rows_are_scored_in_batches(monkeypatch):
    trained = network({"docs": docs()})
    whole = rk.evaluation.additive_terms(trained, ROWS)
    for limit in ("_MOST_ROWS", "_FEWEST_ROWS"):
        monkeypatch.setattr(f"rankkit.core.chunking.{limit}", 7)
    for name, term in rk.evaluation.additive_terms(trained, ROWS).items():
        np.testing.assert_array_equal(term.values, whole[name].values)
        np.testing.assert_allclose(term.contributions, whole[name].contributions, atol=1e-6)


def test_a_head_of_several_and_mixed_precision():
    heads = {"click": rk.layers.AdditiveHead(), "rating": rk.layers.DenseRatingHead([4])}
    both = rk.ranking_network({"docs": docs()}, head=heads, score={"click": 1.0})
    model = rk.RankingModel(both, label={"click": "click", "rating": "rating"})
    assert len(rk.evaluation.additive_terms(model.head("click"), ROWS)) == 3
    with pytest.raises(TypeError, match=r"outputs \['score', 'click', .* model.head\('...'\)"):
        rk.evaluation.additive_terms(model, ROWS)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        half = network({"docs": docs()})
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    found = rk.evaluation.additive_terms(half, ROWS)
    total = np.zeros(20)
    for index in range(3):
        order = np.argsort(ROWS["docs"][:, index], kind="stable")
        total[order] += found[f"docs[{index}]"].contributions
    expected = scores(half, ROWS)
    np.testing.assert_allclose(total, expected - expected.mean(), atol=1e-5)


def with_genre(head):
    features = {"docs": docs(), "genre": rk.layers.IdEmbedding(["a"], 3, name="genre_table")}
    return rk.ranking_network(features, head=head)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda: with_genre(rk.layers.AdditiveHead()), "output of IdEmbedding 'genre_table'. Use"),
        (
            lambda: rk.models.tower({"docs": docs()}, name="mlp"),
            "score is the output of DenseRatingHead 'mlp'. Train",
        ),
        (
            lambda: rk.ranking_network(
                {"docs": docs()},
                head=lambda x: rk.layers.AdditiveHead()(tf.keras.layers.Dense(2, name="mix")(x)),
            ),
            "an AdditiveHead on the output of Dense 'mix'",
        ),
        (
            lambda: rk.ranking_network(
                {"docs": docs()}, head=lambda x: 2.0 * rk.layers.AdditiveHead()(x)
            ),
            "score is the output of TFOpLambda",
        ),
    ],
)
def test_networks_without_contributions_raise(make, got):
    with pytest.raises(TypeError, match="AdditiveHead on numbers is a sum of what") as error:
        rk.evaluation.additive_terms(make(), ROWS)
    assert got in str(error.value)


def test_invalid_arguments_raise():
    trained = network({"docs": docs()})
    with pytest.raises(TypeError, match="scorer must be a RankingModel or a network. Got: "):
        rk.evaluation.additive_terms(lambda rows: 1, ROWS)
    with pytest.raises(ValueError, match="Missing feature 'docs'.*stack_columns"):
        rk.evaluation.additive_terms(trained, {"age": [1.0]})
    with pytest.raises(ValueError, match="Unknown column 'query'"):
        rk.evaluation.additive_terms(trained, ROWS, query="query")
    with pytest.raises(ValueError, match="at least one row"):
        rk.evaluation.additive_terms(trained, {"docs": ROWS["docs"][:0]})
    with pytest.raises(ValueError, match="an infinite value in column 0"):
        rk.evaluation.additive_terms(trained, {"docs": np.array([[np.inf, 1, 1]])})
