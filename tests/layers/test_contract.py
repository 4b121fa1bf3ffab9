"""What every layer of `rankkit.layers` must do, whatever it computes."""

import inspect
import re

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
L2 = tf.keras.regularizers.L2
HEADS = (L.AdditiveHead, L.DenseRatingHead, L.EnsembleMean, L.OrdinalHead)
INNER = (L.CandidateAttention, L.MultiGateMixtureOfExperts, L.ProgressiveExtraction)


def text(*cells):
    return np.array(cells, object)


WORDS = ["ant", "bee", "cat", "dog", "eel"]
WORDS_AND_UNKNOWN = text(*WORDS[:4], "unknown")
YEARS_AND_PRICES = np.array([1930.0, 1999.0, 2000.0, 69_999.0, 70_000.0], np.float32)
VECTORS = np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)

CANDIDATES = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
BLOCK = np.array([[1, -100, 7], [2, 0, 7], [3, 1000, 7], [2.5, 30, 8]], np.float32)
BLOCK_WITH_NAN = np.where(BLOCK == 30, np.nan, BLOCK).astype(np.float32)
EDGES = [[1.0, 2.0, 3.0], [-100.0, 0.0, 30.0, 1000.0], [7.0]]
HISTORIES = np.array([[*"abc"], ["d", "z", ""], ["", "", ""], [*"aaa"], ["", "b", ""]], object)
GAPS = np.where(HISTORIES == "", -1, np.arange(15).reshape(5, 3))


def kinds(number):
    tags = L.TagsEmbedding(["x", "y"], 3, name=f"tags_{number}")
    return L.Attribute([*"ac"], [["x"], ["x", "y"]], tags, name=f"kind_{number}")


def case(*values, **arguments):
    """Arguments of a layer, and a batch of each of its raw features."""
    return arguments, tuple(map(np.asarray, values))


CASES = {
    "DenseRatingHead": [
        case(VECTORS, hidden_units=[8, 4]),
        case(VECTORS, hidden_units=[], rating_range=(1.0, 5.0), kernel_regularizer=L2(0.1)),
        case(VECTORS, hidden_units=[8], activation="tanh", dropout_rate=0.5),
    ],
    "OrdinalHead": [case(VECTORS, levels=(1.0, 2.0, 5.0), hidden_units=(4,), activation="tanh")],
    "EnsembleMean": [case(VECTORS, independent=True)],
    "AdditiveHead": [
        case(VECTORS, hidden_units=(4, 2)),
        case(VECTORS, hidden_units=[], dropout_rate=0.5, activation="tanh"),
    ],
    "CandidateAttention": [
        case(CANDIDATES, num_blocks=1, num_heads=3),
        case(CANDIDATES, num_heads=1, hidden_units=5, activation="gelu"),
    ],
    "SequenceMean": [
        case(HISTORIES, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 3), max_length=2),
        case(HISTORIES, GAPS, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 3),
             side_layers=[L.BucketEmbedding([1, 5], 3)]),
    ],
    "TransitionScore": [
        case(HISTORIES, text(*"abcdz"), ids=[*"abcd"], num_followers=2, max_length=2),
    ],
    "IdAttributesEmbedding": [
        case(text(*"abz"), vocabulary=[*"ab"], embedding_dim=3, attributes=[kinds(1)]),
        case(text(*"abz"), vocabulary=[*"ab"], embedding_dim=3, attributes=[kinds(2)],
             id_dropout_rate=0.5),
    ],
    "NextItemScore": [
        case(HISTORIES, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 4), max_length=2),
        case(HISTORIES, GAPS, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 4),
             side_layers=[L.BucketEmbedding([1, 5], 4)], num_blocks=1, num_heads=1, gated=True),
    ],
    "TargetAttention": [
        case(HISTORIES, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 3), max_length=2),
        case(HISTORIES, GAPS, text(*"abcdz"), item_layer=L.IdEmbedding([*"abcd"], 3),
             side_layers=[L.BucketEmbedding([1, 5], 3)], hidden_units=(8, 4), activation="tanh"),
    ],
    "TargetTransformer": [
        case(HISTORIES, text(*"abcdz"),
             item_layer=L.IdEmbedding([*"abcd"], 8, embeddings_initializer="orthogonal"),
             max_length=2, num_blocks=2),
        case(HISTORIES, GAPS, text(*"abcdz"),
             item_layer=L.IdEmbedding([*"abcd"], 3, embeddings_initializer="orthogonal"),
             side_layers=[L.BucketEmbedding([1, 5], 3, embeddings_initializer="orthogonal")],
             num_heads=1, hidden_units=5, activation="gelu"),
    ],
    "MultiGateMixtureOfExperts": [
        case(VECTORS, heads=["a", "b"], num_experts=3, units=(4, 2), activation="tanh"),
    ],
    "ProgressiveExtraction": [
        case(VECTORS, heads=["a", "b"], num_levels=2, num_shared=1, units=(4, 2)),
    ],
    "TimeSinceEmbedding": [
        case(text(*WORDS[:3], "unknown"), [9, 115, 1020, 5], ids=WORDS[:3],
             references=[0, 100, 1000], boundaries=[10, 20], embedding_dim=3),
        case([4, 4, 4, 8], [4, 5, 2**40 + 5, 5], ids=[4, 7],
             references=[5, -5], boundaries=[0, 2**40], embedding_dim=2),
    ],
    "Attribute": [
        case(WORDS_AND_UNKNOWN, ids=WORDS, values=[["x"], [], ["x", "y"], ["y"], ["z"]],
             layer=L.TagsEmbedding(["x", "y"], 3)),
        case([1, 2, 3, 4], ids=[1, 2, 3], values=["Die Hard", "", "Hard 8"],
             layer=L.TextEmbedding(["die", "hard"], 2)),
        case(text("a", "b", "c"), ids=["a", "b"], values=[1.5, 2.5],
             layer=L.NormalizedNumber(2.0, 0.5, embedding_dim=2), default=2.25),
    ],
    "BucketEmbedding": [
        case([17, 18, 64, 65, 2**40], boundaries=[18, 65], embedding_dim=3),
        case(YEARS_AND_PRICES, boundaries=[1999.5, 69_999.5], embedding_dim=3),
        case(np.array([0.0, 0.5, np.nan, 7.0], np.float32),
             boundaries=[0.5, 1.5], embedding_dim=2, missing="learn"),
    ],
    "CalendarEmbedding": [
        case([0, 10**9, 2 * 10**9], part=part, embedding_dim=2, utc_offset=5.5)
        for part in ("hour_of_day", "day_of_week", "day_of_month", "month")
    ],
    "CountEncoding": [
        case(WORDS_AND_UNKNOWN, ids=WORDS, counts=[1, 10, 0, 2, 3]),
        case([5, 5, 7, 8], text("x", "y", "y", "x"), ids=[[5, 7], ["x", "y"]], counts=[2, 9]),
    ],
    "CrossEmbedding": [
        case(text("a", "a", "b", "b", "c"), [59, 60, 119, 0, 60],
             first=["a", "a", "b"], second=[0, 60, 60], embedding_dim=2, width=60),
        case([5, 5, 7, 8], text("x", "y", "y", "z"),
             first=[5, 7], second=["x", "y"], embedding_dim=2),
    ],
    "HashedIdEmbedding": [
        case(text(*WORDS), num_bins=50, embedding_dim=3),
        case(text(*WORDS), num_bins=9, embedding_dim=2, num_hashes=1),
        case([-1, 0, 7, 2**40], num_bins=50, embedding_dim=2, integers=True),
    ],
    "HistoryEmbedding": [
        case(text(*WORDS[:3], "unknown"), text("x", "z", "y", "y"),
             ids=WORDS[:3], histories=[["x", "y"], ["y"], []], embedding_dim=2),
        case([1, 2, 1, 3], [3, 3, 99, 3],
             ids=[1, 2], histories=[list(range(40)), [3, 4]], embedding_dim=2, pooling="mean"),
    ],
    "NormalizedNumber": [
        case([10, 30, 45], mean=30, standard_deviation=10.0),
        case(YEARS_AND_PRICES, mean=1965.5, standard_deviation=20.0, embedding_dim=2),
        case(np.array([-1.0, np.nan, 0.5, 9.0], np.float32),
             mean=0.5, standard_deviation=2.0, embedding_dim=3, missing="learn"),
    ],
    "NormalizedNumbers": [
        case(BLOCK, means=[2.0, 250.0, 7.0], standard_deviations=[1.0, 500.0, 0.0]),
        case(BLOCK_WITH_NAN, means=[0.5, 2.0, 2.0], standard_deviations=[1.0, 4.0, 0.0],
             transform="log", missing="learn", column_names=["a", "b", "c"]),
        case(BLOCK, means=[1.0, 1.5, 0.0], standard_deviations=[0.5, 1.0, 0.0],
             transform="quantile", boundaries=EDGES),
    ],
    "OneHot": [case(WORDS_AND_UNKNOWN, vocabulary=WORDS), case([0, 1, 7], vocabulary=[0, 1])],
    "PeriodicEmbedding": [
        case(BLOCK_WITH_NAN, means=[2.0, 250.0, 7.0], standard_deviations=[1.0, 500.0, 0.0],
             embedding_dim=3, num_frequencies=2, frequency_scale=0.5, missing="learn"),
    ],
    "PiecewiseLinearEmbedding": [
        case(BLOCK, boundaries=EDGES, embedding_dim=3),
        case(BLOCK_WITH_NAN, boundaries=EDGES, embedding_dim=2, missing="learn",
             activation="tanh", column_names=["a", "b", "c"]),
    ],
    "TagsEmbedding": [
        case(text(["ant", "bee"], ["cat", ""], ["", ""], ["ant", "unknown"]),
             vocabulary=WORDS, embedding_dim=3, pooling="sqrtn"),
        case([[1, 2, -1], [9, -1, -1], [-1, -1, -1]], vocabulary=[3, 1, 2], embedding_dim=2),
    ],
    "TargetEncoding": [
        case([-1, 0, 7, 2**40, 8], ids=[2**40, -1, 0], means=[0.5, -0.25, 1.0], prior=0.75),
        case(text("a", "a", "b", "c"), [0, 2**40, 0, 0], [3, 3, 3, 3],
             ids=[["a", "a", "b"], [0, 2**40, 0], [3, 3, 4]], means=[4.5, 2.0, 1.0], prior=3.0),
    ],
    "TextEmbedding": [
        case(text("Die hard 2", "", "?", "Große Freiheit"),
             vocabulary=["die", "hard"], embedding_dim=2, pooling="sum"),
    ],
    "IdEmbedding": [
        case(WORDS_AND_UNKNOWN, vocabulary=WORDS, embedding_dim=3),
        case([-1, 0, 7, 2**40, 8], vocabulary=[-1, 0, 7, 2**40], embedding_dim=2,
             id_dropout_rate=0.5, embeddings_regularizer=L2(0.1)),
    ],
}  # fmt: skip


def parametrize(*left_out):
    """Runs a test for the cases of all layers but some."""
    cases = [
        pytest.param(getattr(L, name), arguments, values, id=f"{name}_{i}")
        for name in CASES
        for i, (arguments, values) in enumerate(CASES[name])
        if getattr(L, name) not in left_out
    ]
    return pytest.mark.parametrize(("layer_class", "arguments", "values"), cases)


all_layers = parametrize()
feature_layers = parametrize(*HEADS, *INNER)
tflite_layers = parametrize(L.HashedIdEmbedding, L.TextEmbedding)


def as_input(values):
    tensors = [tf.constant(each) for each in values]
    return tensors if len(tensors) > 1 else tensors[0]


def as_inputs(name, values):
    """A Keras input for each of the raw values, by names that signatures take."""
    inputs = {}
    for i, tensor in enumerate(map(tf.constant, values)):
        is_vector = tensor.dtype == tf.float32
        shape = [size if is_vector else None for size in tensor.shape[1:]]
        key = f"{name}_{i}".lower()
        inputs[key] = tf.keras.Input(shape, dtype=tensor.dtype, name=key)
    return inputs


def as_array(outputs):
    """The outputs of a layer side by side; most layers have one."""
    return np.concatenate([np.asarray(each) for each in tf.nest.flatten(outputs)], axis=-1)


@pytest.fixture(scope="module")
def outputs_by_way(tmp_path_factory):
    """Outputs of all layers by case: of a model, each of its files, and its rows one by one."""
    inputs, outputs, raw = {}, {}, {}
    for param in all_layers.args[1]:
        layer_class, arguments, values = param.values
        own = as_inputs(param.id, values)
        tensors = list(own.values())
        layer = layer_class(**arguments, name=param.id)
        found = tf.nest.flatten(layer(tensors if len(tensors) > 1 else tensors[0]))
        outputs[param.id] = tf.keras.layers.Concatenate()(found) if len(found) > 1 else found[0]
        inputs |= own
        for column, each in zip(own, values, strict=True):
            raw[column] = tf.constant(each[np.arange(8) % len(each)])  # columns of equal length
    model = tf.keras.Model(inputs, outputs)
    folder = tmp_path_factory.mktemp("exported")
    model.save(folder / "m.keras")
    names = [param.id for param in tflite_layers.args[1]]
    columns = [each for each in inputs if each[:-2] in map(str.lower, names)]
    lite_outputs = {name: outputs[name] for name in names}
    lite_outputs["score"] = tf.keras.layers.Dense(1)(outputs["DenseRatingHead_0"])
    lite = tf.keras.Model({each: inputs[each] for each in columns}, lite_outputs)
    lite_raw = {each: raw[each] for each in columns}
    rk.export.save(lite, folder / "1", sample=lite_raw)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    scorer = rk.export.load(folder / "m.tflite")
    rows = [scorer.outputs_of({k: v[i : i + 1] for k, v in lite_raw.items()}) for i in range(8)]
    return {
        "model": model(raw),
        "Keras file": rk.export.load(folder / "m.keras")(raw),
        "SavedModel": rk.export.load(folder / "1").outputs_of(lite_raw),
        "TensorFlow Lite": scorer.outputs_of(lite_raw),
        "single rows": {name: np.concatenate([row[name] for row in rows]) for name in names},
    }


def test_every_layer_has_cases():
    # WeightedScore reads the scores of other heads: tests/training/test_multiple_heads.py.
    assert set(CASES) == set(L.__all__) - {"WeightedScore"}


@all_layers
def test_config_holds_every_argument_and_rebuilds_the_layer(layer_class, arguments, values):
    layer = layer_class(**arguments, name="mine")
    assert set(arguments) <= set(layer.get_config())
    rebuilt = layer_class.from_config(layer.get_config())
    assert rebuilt.get_config() == layer.get_config()
    assert rebuilt.name == "mine"
    expected = as_array(layer(as_input(values)))
    rebuilt(as_input(values))
    rebuilt.set_weights(layer.get_weights())
    np.testing.assert_array_equal(as_array(rebuilt(as_input(values))), expected)


@pytest.mark.parametrize("way", ["Keras file", "SavedModel", "TensorFlow Lite", "single rows"])
def test_outputs_are_equal(way, outputs_by_way):
    cases = all_layers if way == "Keras file" else tflite_layers
    names = [param.id for param in cases.args[1]]
    if way == "single rows":
        names = [name for name in names if not name.startswith("CandidateAttention")]
    for name in names:
        found, expected = (outputs_by_way[each][name] for each in (way, "model"))
        np.testing.assert_allclose(found, expected, atol=2e-6, err_msg=name)


@feature_layers
def test_members_that_are_encoded_one_by_one_give_the_codes_of_lists(
    layer_class, arguments, values
):
    layer = layer_class(**arguments)
    if not layer.encodes_members:
        return
    (lists,) = values
    codes = layer.encode(tf.constant(lists)).numpy()
    padding = "" if layer.feature_spec.dtype == tf.string else -1
    for column in range(codes.shape[1]):
        alone = layer.encode(tf.constant(lists)[:, column : column + 1])
        np.testing.assert_array_equal(alone[:, 0], codes[:, column])
    assert layer.encode(tf.constant([[padding]])).numpy().tolist() == [[-1]]


@feature_layers
def test_sample_values_are_inputs_of_the_layer(layer_class, arguments, values):
    layer = layer_class(**arguments)
    samples = layer.sample_values(4) if len(values) > 1 else [layer.sample_values(4)]
    assert [len(each) for each in samples] == [4] * len(values)
    columns = {f"raw_{i}": each for i, each in enumerate(samples)}
    (batch,) = rk.data.batches(columns, 4)
    raw = [
        each.to_tensor("" if each.dtype == tf.string else -1)
        if hasattr(each, "to_tensor")
        else each
        for each in batch.values()
    ]
    assert layer(as_input(raw)).shape == (4, layer(as_input(values)).shape[1])


@pytest.mark.parametrize(
    ("layer", "operation"),
    [
        (L.HashedIdEmbedding(9, 2), "StringToHashBucketFast"),
        (L.TextEmbedding(["die", "hard"], 2), "StringSplit"),
    ],
)
def test_operation_that_tflite_does_not_have_is_named(layer, operation, tmp_path):
    network = rk.ranking_network({"x": layer}, head=L.DenseRatingHead([]))
    rk.export.save(network, tmp_path / "1")
    with pytest.raises(ValueError, match=rf"built-in.*{operation}.*rankkit\.layers\.Attribute"):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    assert not (tmp_path / "m.tflite").exists()


@all_layers
def test_declared_output_shape_is_correct(layer_class, arguments, values):
    layer = layer_class(**arguments)
    shapes = [each.shape for each in values]
    declared = layer.compute_output_shape(shapes if len(shapes) > 1 else shapes[0])
    outputs = layer(as_input(values))
    assert declared == tf.nest.map_structure(lambda each: each.shape, outputs)


@all_layers
def test_gradients_reach_every_weight(layer_class, arguments, values):
    layer = layer_class(**arguments)
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(layer(as_input(values), training=False))
        loss = tf.add_n([tf.reduce_sum((each + 0.1) ** 2) for each in outputs])
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == len(layer.weights) - len(layer.non_trainable_weights)
    for gradient in gradients:
        assert np.abs(tf.convert_to_tensor(gradient)).sum() > 0


def outputs_and_gradients(layer, batch):
    with tf.GradientTape() as tape:
        outputs = tf.nest.flatten(layer(batch))
        loss = tf.add_n([tf.reduce_sum(tf.cast(each, tf.float32)) for each in outputs])
    gradients = tape.gradient(loss, layer.trainable_variables)
    return outputs, [tf.convert_to_tensor(each) for each in gradients]


@all_layers
def test_mixed_precision_rounds_only_vectors(layer_class, arguments, values):
    """Raw values and scores are not rounded, and gradients of a batch are summed in full.

    TensorFlow sums the gradient of a bias in bfloat16, which stops growing at 256 times an addend.
    """
    full = layer_class(**arguments)
    batch = as_input([np.concatenate([each] * 600) for each in values])
    expected = outputs_and_gradients(full, batch)
    for half in (tf.bfloat16, tf.float16):
        mixed = layer_class(**arguments, dtype=f"mixed_{half.name}")
        mixed(as_input(values))
        mixed.set_weights(full.get_weights())
        found = outputs_and_gradients(mixed, batch)
        assert {weight.dtype for weight in mixed.weights} <= {tf.float32, tf.int32}
        # The layer of an attribute has a policy of its own.
        is_full = layer_class in (*HEADS, L.Attribute, L.NextItemScore, L.TransitionScore)
        for output, other in zip(found[0], expected[0], strict=True):
            assert output.dtype == (tf.float32 if is_full else half)
            np.testing.assert_allclose(tf.cast(output, tf.float32), other, rtol=0.02, atol=0.02)
        for gradient, other in zip(found[1], expected[1], strict=True):
            tolerance = 0.1 * max(1, np.abs(other).max())  # a sum that stops is off by half
            np.testing.assert_allclose(gradient, other, atol=tolerance)
        if layer_class not in (*HEADS, *INNER):  # as rows in memory are computed
            np.testing.assert_array_equal(found[0][0], mixed.embed(full.encode(batch)))


@feature_layers
def test_activity_regularizer_is_kept_in_the_config(layer_class, arguments, values):
    layer = layer_class(**arguments, activity_regularizer=L2(0.5))
    rebuilt = layer_class.from_config(layer.get_config())
    vectors = as_array(rebuilt(as_input(values)))
    # Half the squared norm of each vector; Keras divides by the batch.
    penalty = 0.5 * (vectors**2).sum() / len(vectors)
    assert float(rebuilt.losses[0]) == pytest.approx(penalty, rel=1e-5)


@feature_layers
def test_matrix_of_the_initializer_is_the_table(layer_class, arguments, values):
    layer = layer_class(**arguments)
    if "embeddings_initializer" not in layer.get_config():
        return
    layer(as_input(values))
    shape = layer.get_weights()[0].shape

    def make(matrix):
        initializer = tf.keras.initializers.Constant(matrix)
        return layer_class(**{**arguments, "embeddings_initializer": initializer})

    for dtype in (np.float16, np.float32, np.float64):
        table = np.random.default_rng(1).normal(size=shape).astype(dtype)
        made = make(table)
        for each in (made, layer_class.from_config(made.get_config())):
            each(as_input(values))
            np.testing.assert_array_equal(each.get_weights()[0], table.astype(np.float32))
    for matrix in (table[1:], table.T if len(set(shape)) > 1 else table[:1], table * np.nan):
        with pytest.raises(ValueError, match="^The matrix of embeddings_initializer must have one"):
            make(matrix)


@feature_layers
def test_repr_shows_the_arguments(layer_class, arguments, values):
    shown = repr(layer_class(**arguments))
    assert shown.startswith(f"{layer_class.__name__}({next(iter(arguments))}=")
    assert len(shown) < 400


# Arguments that `**kwargs` of the docstrings name.
KEYWORDS = {
    "name": "mine",
    "embeddings_initializer": "zeros",
    "embeddings_regularizer": L2(0.1),
    "embeddings_constraint": "non_neg",
    "activity_regularizer": L2(0.1),
}


@all_layers
def test_keywords_are_those_of_the_docstring(layer_class, arguments, values):
    [text] = re.findall(r"\*\*kwargs: ((?:.|\n {12})*)", layer_class.__doc__)
    named = set(re.findall(r"`(\w+)`", text))
    named -= {"IdEmbedding", "num_oov_indices", "id_dropout_rate"}
    assert "name" in named
    layer = layer_class(**arguments, **{name: KEYWORDS[name] for name in named - set(arguments)})
    assert layer.name == "mine"
    if "embeddings_initializer" in named:
        layer(as_input(values))
        assert not np.any(layer.weights[0])


@all_layers
def test_unknown_keyword_is_named(layer_class, arguments, values):
    for name in ("id_dropout_rates", "autocast"):
        text = f"^Unknown argument of {layer_class.__name__} {name!r}. Known: '"
        with pytest.raises(TypeError, match=text):
            layer_class(**arguments, **{name: 0})


@feature_layers
def test_keywords_of_columns_are_those_that_are_not_computed(layer_class, arguments, values):
    name = "from_column" if hasattr(layer_class, "from_column") else "from_columns"
    if (make := getattr(layer_class, name, None)) is None:
        return
    own = [*inspect.signature(make).parameters]
    parameters = [*inspect.signature(layer_class.__init__).parameters.items()][1:]
    computed = [n for n, each in parameters if each.default is each.empty and n not in own]
    for wrong in ("oov", *set(computed) - {"kwargs"}):
        with pytest.raises(TypeError, match=f"Unknown argument of .*{name} {wrong!r}") as raised:
            make(*([1.0],) * 3, **{wrong: 0})
        known = re.findall("'([^']*)'", str(raised.value).partition("Known: ")[2])
        assert known[: len(own) - 1] == [each for each in own if each != "kwargs"]
        assert not {*computed, "num_rows", "kwargs"} & {*known}
