"""Layers that read a block of numbers."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf
from sklearn.preprocessing import QuantileTransformer, StandardScaler

L = rk.layers
MAKERS = (L.NormalizedNumbers, L.PiecewiseLinearEmbedding, L.PeriodicEmbedding)
makers = pytest.mark.parametrize("layer_class", MAKERS)
NAMES = ["bm25", "length", "clicks"]


def block(rows=200, seed=0):
    """A block of three columns: normal numbers, skewed ones and counts with many zeros."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(3, 2, rows), np.exp(rng.normal(4, 2, rows)), rng.poisson(0.4, rows)
    return np.stack(columns, axis=1).astype(np.float32)


def test_standardization_is_that_of_scikit_learn():
    train, test = block(), block(50, seed=1)
    layer = L.NormalizedNumbers.from_column(train)
    scikit: Any = StandardScaler().fit(train)
    expected = scikit.transform(test)
    np.testing.assert_allclose(layer(test), expected, rtol=1e-4, atol=1e-5)


def test_logarithm_keeps_the_sign():
    layer = L.NormalizedNumbers([0.0], [1.0], transform="log")
    found = layer(np.array([[-9.0], [0.0], [1e6]], np.float32))
    np.testing.assert_allclose(found, [[-np.log(10)], [0], [np.log(1e6 + 1)]], rtol=1e-5)


def test_quantiles_are_those_of_scikit_learn():
    train, test = block(1000)[:, :2], block(50, seed=1)[:, :2]
    layer = L.NormalizedNumbers.from_column(train, transform="quantile", num_quantiles=20)
    scikit: Any = QuantileTransformer(n_quantiles=21).fit(train)
    ranks = scikit.transform(train)
    expected = (scikit.transform(test) - ranks.mean(0)) / ranks.std(0)
    np.testing.assert_allclose(layer(test), expected, atol=2e-4)


def test_quantiles_ignore_the_scale_of_a_column():
    train = block(201)
    scaled = np.sign(train) * train**2 * 1000
    of_both = [
        L.NormalizedNumbers.from_column(each, transform="quantile", num_quantiles=200)(each)
        for each in (train[:, 1:2], scaled[:, 1:2])
    ]
    np.testing.assert_allclose(*of_both, atol=1e-3)


def test_piecewise_linear_encoding_is_that_of_the_paper():
    layer = L.PiecewiseLinearEmbedding([[0.0, 1.0, 3.0]], 2, activation=None)
    identity = [np.eye(2)[np.newaxis], np.zeros((1, 1, 2))]  # of the dense layer
    layer.set_weights(identity)
    found = layer(np.array([[-1.0], [0.5], [2.0], [9.0]]))
    assert found.numpy().tolist() == [[0, 0], [0.5, 0], [1, 0.5], [1, 1]]


def test_periodic_encoding_is_that_of_the_paper():
    layer = L.PeriodicEmbedding([1.0], [2.0], 4, num_frequencies=2, activation=None)
    layer.set_weights([np.array([[0.25, 0.5]]), np.eye(4)[np.newaxis], np.zeros((1, 1, 4))])
    angles = 2 * np.pi * np.array([0.25, 0.5]) * (4 - 1) / 2
    expected = [*np.sin(angles), *np.cos(angles)]
    np.testing.assert_allclose(layer(np.array([[4.0]]))[0], expected, atol=1e-6)


@makers
def test_columns_are_embedded_independently_of_each_other(layer_class):
    train = block()
    layer = layer_class.from_column(train)
    changed = train[:5].copy()
    changed[:, 1] += 100
    shape = (5, 3, -1)
    before, after = (np.reshape(layer(each), shape) for each in (train[:5], changed))
    assert np.array_equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not np.array_equal(before[:, 1], after[:, 1])


@makers
@pytest.mark.parametrize("scale", ["from_column", "later"])
def test_constant_columns_make_no_difference(layer_class, scale):
    train = block()
    train[:, 0] = 5
    with pytest.warns(UserWarning, match=r"^Constant columns, whose scaled values are 0: 0 \(1 of"):
        layer = layer_class.from_column(train)
    rows = train[:4].copy()
    expected = layer(rows)
    if scale == "later":
        rows[:, 0] = [4, 6, -1e9, 1e9]
    np.testing.assert_array_equal(layer(rows), expected)


@makers
def test_a_column_without_numbers_makes_no_difference(layer_class):
    train = block()
    train[:, 2] = np.nan
    with pytest.warns(UserWarning, match=r"Constant.*2 \(1 of 3\)\. Columns with missing.*100\.0%"):
        layer = layer_class.from_column(train)
    assert np.isfinite(layer(train)).all()


@makers
def test_missing_numbers_have_values_that_are_trained(layer_class):
    train = block()
    train[::3, 1] = np.nan
    names = pd.DataFrame(train, columns=NAMES)
    with pytest.warns(UserWarning, match=r"learned: 'length' \(1 of 3\), 33\.5% of their rows\."):
        layer = layer_class.from_column(names)
    assert (layer.missing, layer.column_names) == ("learn", NAMES)
    with tf.GradientTape() as tape:
        outputs = layer(train)
        loss = tf.reduce_sum(outputs)
    gradients = tape.gradient(loss, layer._missing).numpy()  # (columns, dim)
    assert (gradients[1] == 67).all()
    assert not gradients[[0, 2]].any()
    assert (np.reshape(outputs, (200, 3, -1))[::3, 1] == 0).all()  # as the mean


@makers
def test_nan_is_refused_by_the_name_of_its_column(layer_class):
    layer = layer_class.from_column(block(), column_names=NAMES)
    rows = block(4)
    rows[2, 1] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"NaN or an infinite.*column length"):
        layer(rows)
    with pytest.raises(ValueError, match=r"NaN in 1 of 4 rows\. .*missing='learn'"):
        layer_class.from_column(rows, missing="error")


@makers
@pytest.mark.parametrize("missing", ["error", "learn"])
def test_infinite_numbers_are_refused(layer_class, missing):
    rows = block(4)
    layer = layer_class.from_column(rows, missing=missing)
    rows[0, 2] = -np.inf
    with pytest.raises(tf.errors.InvalidArgumentError, match="infinite value in column 2"):
        layer(rows)
    with pytest.raises(ValueError, match="The block must be finite.*column 2"):
        layer_class.from_column(rows)


TABLES = {
    "list": lambda rows: rows.tolist(),
    "float64": lambda rows: rows.astype(np.float64),
    "tensor": tf.constant,
    "pandas": lambda rows: pd.DataFrame(rows, columns=NAMES),
    "objects": lambda rows: pd.DataFrame(rows, columns=NAMES).astype(object),
    "nullable": lambda rows: pd.DataFrame(rows, columns=NAMES).convert_dtypes(),
    "arrow": lambda rows: pa.table(dict(zip(NAMES, rows.T, strict=True))),
}


@makers
@pytest.mark.parametrize("table", TABLES)
def test_blocks_of_all_types_are_equal(layer_class, table):
    rows = block(30)
    found = layer_class.from_column(TABLES[table](rows))
    expected = layer_class.from_column(rows)
    has_names = table not in ("list", "float64", "tensor")
    assert found.column_names == (NAMES if has_names else None)
    configs = [each.get_config() for each in (found, expected)]
    for config in configs:
        for name in ("name", "column_names", "activation"):
            config.pop(name, None)
    assert configs[0] == configs[1]


BAD = {
    "one column": (np.arange(4.0), TypeError, r"matrix of .*shape \(4,\).*\[:, numpy.newaxis\]"),
    "rows": ({"features": np.eye(2)}, TypeError, r"Got: a dict\. .*matrix, such as rows\["),
    "text": (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), TypeError, "Got: 'x'. Select numeric"),
    "words": (np.array([["a", "b"]]), TypeError, "matrix of numbers"),
    "times": (np.zeros((2, 2), "datetime64[s]"), TypeError, "matrix of numbers"),
    "no rows": (np.zeros((0, 3)), ValueError, r"rows and columns. Got: the shape \(0, 3\)"),
    "no columns": (np.zeros((3, 0)), ValueError, "rows and columns"),
    "large integers": (np.array([[2**24 + 1, 0]]), ValueError, r"beyond 2\^24"),
    "unequal rows": ([[1.0], [1.0, 2.0]], TypeError, "matrix of numbers"),
}


@makers
@pytest.mark.parametrize("case", BAD)
def test_what_is_no_block_of_numbers_is_refused(layer_class, case):
    rows, error, message = BAD[case]
    with pytest.raises(error, match=message):
        layer_class.from_column(rows)


@makers
def test_names_must_be_one_for_each_column(layer_class):
    for names, error in ((NAMES[:2], ValueError), ([*NAMES[:2], "bm25"], ValueError),
                         ([1, 2, 3], TypeError), ("abc", TypeError)):  # fmt: skip
        with pytest.raises(error, match="^column_names must be a list of 3 names"):
            layer_class.from_column(block(), column_names=names)


@makers
def test_blocks_without_oddities_give_no_warning(layer_class):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layer_class.from_column(block())


def test_a_block_of_another_width_is_refused_wherever_it_is_scored(tmp_path):
    train = block()
    network = rk.ranking_network(
        {"features": L.NormalizedNumbers.from_column(train)}, head=L.DenseRatingHead([])
    )
    model = rk.RankingModel(network, label="label")
    model.compile("adam")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    scorers = [model, *(rk.export.load(tmp_path / each) for each in ("1", "m.tflite"))]
    wide = {"features": np.ones((5, 4), np.float32)}
    for scorer in scorers:
        for call in (scorer, lambda rows, scorer=scorer: rk.rank(scorer, {}, rows)):
            with pytest.raises(ValueError, match=r"'features'.*\(rows, 3\)|3 values in each row"):
                call(wide)
    with pytest.raises(ValueError, match=r"'features'.*\(rows, 3\)"):
        model.fit(rk.data.batches({**wide, "label": np.ones(5)}, 5), verbose=0)


@makers
@pytest.mark.parametrize("width", [1, 2, 4])
def test_a_signature_and_a_layer_refuse_a_block_of_another_width(layer_class, width, tmp_path):
    """One column is not repeated for all others."""
    layer = layer_class.from_column(block())
    with pytest.raises(ValueError, match=rf"of the shape \(rows, 3\)\. Got: \(5, {width}\)\. Pass"):
        layer(np.ones((5, width), np.float32))
    network = rk.ranking_network({"features": layer}, head=L.DenseRatingHead([]))
    rk.export.save(network, tmp_path / "1")
    serve = tf.saved_model.load(str(tmp_path / "1")).signatures["serving_default"]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"the shape \(rows, 3\)\. Got: "):
        serve(features=tf.ones((5, width)))


@makers
def test_missing_numbers_are_scored_alike_everywhere(layer_class, tmp_path):
    train = block(64)
    train[::3, 1] = np.nan
    rows = {"features": train, "label": np.arange(64.0) % 5}
    layer = layer_class.from_column(train, missing="learn")
    model = rk.RankingModel(
        rk.ranking_network({"features": layer}, head=L.DenseRatingHead([4])), label="label"
    )
    model.compile(tf.keras.optimizers.Adam(0.1))
    streamed = rk.RankingModel(tf.keras.models.clone_model(model.network), label="label")
    streamed.set_weights(model.get_weights())
    streamed.compile(tf.keras.optimizers.Adam(0.1))
    model.fit(rk.data.batches(rows, 16), epochs=2, verbose=0)
    data = tf.data.Dataset.from_tensor_slices(rows).batch(16)
    streamed.fit(data, epochs=2, verbose=0)
    for one, other in zip(model.get_weights(), streamed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.abs(layer._missing[1]).max() > 0.01
    expected = model(rows).numpy()[:, 0]
    model.save(tmp_path / "m.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    for name in ("m.keras", "1", "m.tflite"):
        scorer = rk.export.load(tmp_path / name)
        np.testing.assert_allclose(np.ravel(scorer(rows)), expected, atol=1e-5, err_msg=name)
        ranked = rk.rank(scorer, {}, {"features": train, "row": np.arange(64)})
        found = dict(sorted((each["row"], score) for each, score in ranked))
        np.testing.assert_allclose([*found.values()], expected, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(np.ravel(model.predict(rows, verbose=0)), expected, atol=1e-5)


def test_columns_that_are_not_stacked_yet_are_named():
    train = block()
    layer = L.NormalizedNumbers.from_column(train)
    heads = (
        L.DenseRatingHead([]),
        tf.keras.Sequential([L.CandidateAttention(1, num_heads=1), L.DenseRatingHead([])]),
    )
    table = pd.DataFrame(train, columns=NAMES).assign(label=1.0, query=0)
    for head in heads:
        network = rk.ranking_network({"features": layer}, head=head)
        model = rk.RankingModel(network, label="label")
        model.compile(loss=rk.losses.SoftmaxLoss())
        calls = [
            lambda model=model: model(table),
            lambda model=model: rk.rank(model, {}, table),
            lambda model=model: rk.evaluate_ranking(model, table, query="query"),
        ]
        for call in calls:
            with pytest.raises(ValueError, match=r"^Missing feature.*stack_columns.* 3 columns\.$"):
                call()


def test_repr_shows_names_and_activations_as_they_were_passed():
    layer = L.PeriodicEmbedding([0.0], [1.0], 4, activation="tanh", column_names=["price"])
    assert "activation='tanh', column_names=['price']" in repr(layer)
