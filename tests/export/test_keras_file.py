"""Loading of `.keras` files that are damaged, or made to run code."""

import contextlib
import inspect
import json
import re
import shutil
import sys
import zipfile

import h5py
import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
from tf_keras.src.saving import serialization_lib

from rankkit.export.keras_file import _SAFE_FUNCTION, check_config


def function(name, module="builtins"):
    return {"class_name": "function", "module": module, "config": name, "registered_name": name}


def instance(class_name, module, registered_name=None, **config):
    found = {"class_name": class_name, "module": module, "config": config}
    return found | {"registered_name": registered_name}


OPERATIONS = "tf_keras.src.layers.core.tf_op_layer"
LAMBDA = {"class_name": "__lambda__", "config": {"value": ["4wAA", None, None]}}
# What to put into a config, and the words by which it is refused.
ATTACKS = {
    "other module": (instance("Popen", "subprocess", args="x"), "'Popen' of module 'subprocess'"),
    "module to import": (instance("Evil", "evil_module"), "'Evil' of module 'evil_module'"),
    "module like Keras's": (instance("Evil", "keras_evil"), "'Evil' of module 'keras_evil'"),
    "module of rankkit": (instance("Path", "rankkit.utils.files"), "'Path' of module"),
    "module of tf_keras": (instance("ResidualWrapper", "tf_keras.src.layers.rnn.cell_wrappers"),
                           "'ResidualWrapper' of module"),
    "raw operation": (instance("TensorFlowOpLayer", "tf_keras.src.engine.base_layer"), "OpLayer"),
    "method of a class": (instance("ClassMethod", OPERATIONS), "'ClassMethod' of module"),
    "callback": (instance("TensorBoard", "keras.callbacks", log_dir="x"), "'TensorBoard' of"),
    "function of Keras": (instance("get_file", "keras.utils"), "'get_file' of module"),
    "function to load": (function("load_model", "keras.models"), "'load_model' of module"),
    "deserializer": (function("deserialize", "keras.losses"), "'deserialize' of module"),
    "builtin": (function("eval"), "'eval' of module 'builtins'"),
    "attribute of modules": (function("__class__"), "'__class__' of module 'builtins'"),
    "function of os": (function("system", "os"), "'system' of module 'os'"),
    "other registered name": (function("relu") | {"registered_name": "open"}, "'relu' of module"),
    "no module": ({"class_name": "ResidualWrapper", "config": {}}, "'ResidualWrapper' of module"),
    "module that is no string": (instance("Dense", ["keras"]), "must be strings"),
    "name that is no string": (instance({"a": 1}, "keras"), "must be strings"),
    "lambda": (LAMBDA, "contains a lambda"),
    "Lambda": (instance("Lambda", "keras.layers", function=LAMBDA), "'Lambda', which runs code"),
    "Lambda under a registered name": (
        instance("Lambda", "keras.layers", "rankkit>IdEmbedding"), "'Lambda' under the registered"),
    "registered name only": (
        instance("Popen", "subprocess", "rankkit>IdEmbedding"), "'Popen' under the registered"),
    "type": ({"class_name": "__typespec__", "spec_name": "Popen", "module": "subprocess",
              "config": [], "registered_name": None}, "'Popen' of module 'subprocess'"),
    "file writer": (instance("TFOpLambda", OPERATIONS, "TFOpLambda", function="io.write_file"),
                    "function 'io.write_file'"),
    "Python function": (instance("TFOpLambda", OPERATIONS, "TFOpLambda", function="py_function"),
                        "function 'py_function'"),
    "nested namespace": (instance("TFOpLambda", OPERATIONS, function="nn.experimental.x"),
                         "function 'nn.experimental.x'"),
    "file reader": (
        instance("TFOpLambda", OPERATIONS, function="nn.fixed_unigram_candidate_sampler"),
        "function 'nn.fixed_unigram_candidate_sampler'"),
    "slicing": (instance("SlicingOpLambda", OPERATIONS, function="io.gfile.remove"), "io.gfile"),
    "method of tensors": (instance("InstanceMethod", OPERATIONS, attr_name="__init__"), "__init__"),
    "feature columns": (instance("DenseFeatures", "keras.layers"), "may read other files"),
    "path of a vocabulary": (instance("StringLookup", "keras.layers", vocabulary="/etc/passwd"),
                             "reads the file '/etc/passwd'"),
}  # fmt: skip
# Where in a model to put it.
PLACES = {
    "layer": ("config", "network", "config", "layers", 0),
    "initializer": ("config", "network", "config", "layers", 2, "config", "embeddings_initializer"),
    "regularizer": ("config", "network", "config", "layers", 2, "config", "embeddings_regularizer"),
    "constraint": ("config", "network", "config", "layers", 2, "config", "embeddings_constraint"),
    "dtype": ("config", "network", "config", "layers", 2, "config", "dtype"),
    "build_config": ("config", "network", "config", "layers", 2, "build_config", "input_shape"),
    "argument of a call": ("config", "network", "config", "layers", 2, "inbound_nodes", 0, 0, 3),
    "label": ("config", "label"),
    "training_bias": ("config", "training_bias"),
    "optimizer": ("compile_config", "optimizer"),
    "learning rate": ("compile_config", "optimizer", "config", "learning_rate"),
    "loss": ("compile_config", "loss"),
    "metrics": ("compile_config", "metrics"),
    "nested list": ("compile_config", "weighted_metrics"),
}


@pytest.fixture
def source(exported):
    """A `.keras` file of a model of users and movies."""
    return exported[1] / "m.keras"


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def with_attack(config, place, attack):
    config = json.loads(json.dumps(config))
    *path, last = PLACES[place]
    part = config
    for key in path:
        part = part[key]
    part[last] = [[{"inner": attack}]] if place == "nested list" else attack
    return config


def with_members(source, target, **changed):
    """Copies a `.keras` file with other members; `None` removes one."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        contents = {name: old.read(name) for name in old.namelist()} | changed
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    return target


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_runs_code_is_refused_wherever_it_is(source, attack):
    config = config_of(source)
    check_config(config)
    modules = set(sys.modules)
    for place in PLACES:
        with pytest.raises(ValueError, match="its|contains|calls|names") as caught:
            check_config(with_attack(config, place, ATTACKS[attack][0]))
        assert ATTACKS[attack][1] in str(caught.value), place
    assert set(sys.modules) == modules


@pytest.mark.parametrize("place", ["layer", "initializer", "build_config", "optimizer", "loss"])
def test_module_of_a_config_is_not_imported(source, tmp_path, monkeypatch, place):
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nEvil = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = with_attack(config_of(source), place, ATTACKS["module to import"][0])
    file = with_members(source, tmp_path / "m.keras", **{"config.json": json.dumps(config)})
    message = r"m\.keras' is not loaded, as it may run code: .*'Evil'.*register_keras_serializable"
    with pytest.raises(ValueError, match=message):
        rk.export.load(file)
    assert not (tmp_path / "ran").exists()


def test_operation_that_writes_a_file_is_not_run(source, tmp_path):
    config = config_of(source)
    written = instance("TFOpLambda", OPERATIONS, name="w", function="io.write_file")
    constant = ["_CONSTANT_VALUE", -1, str(tmp_path / "ran"), {"contents": "x"}]
    written |= {"name": "w", "inbound_nodes": [constant]}
    config["config"]["network"]["config"]["layers"].append(written)
    changed = {"config.json": json.dumps(config)}
    file = with_members(source, tmp_path / "m.keras", **changed)
    with pytest.raises(ValueError, match=r"m\.keras' is not loaded.*'io.write_file', which is not"):
        rk.export.load(file)
    assert not (tmp_path / "ran").exists()


def test_allowed_functions_take_neither_files_nor_functions():
    risky = re.compile("file|path$|fn$|func|callable|cell")
    spaces = ("math", "nn", "strings", "linalg", "bitwise", "ragged", "sparse", "random")
    found = []
    for prefix, root in (("", tf), ("compat.v1.", tf.compat.v1)):
        for space in spaces:
            for name in dir(getattr(root, space)):
                called = getattr(getattr(root, space), name)
                if callable(called) and _SAFE_FUNCTION.fullmatch(f"{prefix}{space}.{name}"):
                    names = filter(risky.search, inspect.signature(called).parameters)
                    found += [(prefix, space, name, each) for each in names]
    assert found == []


def test_lambda_layer_is_refused(tmp_path):
    x = tf.keras.Input([1])
    model = tf.keras.Model(x, tf.keras.layers.Lambda(custom_activation)(x))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="'Lambda', which runs code from the file"):
        rk.export.load(tmp_path / "m.keras")


def test_config_that_is_not_a_model_is_refused():
    made = (tf.keras.layers.Dense(1), tf.keras.optimizers.Adam())
    others = map(tf.keras.saving.serialize_keras_object, made)
    for config in (None, [], "x", {}, {"class_name": "Model"}, 3, *others):
        with pytest.raises(ValueError, match="must describe a model|registered in this process"):
            check_config(config)


def test_deeply_nested_config_is_refused(source, tmp_path):
    deep = "[" * 200_000 + "]" * 200_000
    file = with_members(source, tmp_path / "m.keras", **{"config.json": deep})
    with pytest.raises(ValueError, match=r"m\.keras' cannot be read as a .keras file"):
        rk.export.load(file)


def custom_activation(x):
    return 2.0 * x


class CustomLayer(tf.keras.layers.Layer):
    def call(self, x):
        return 3.0 * x


def custom_model():
    """Most of what Keras writes to a config: operations, policies, wrappers, custom objects."""
    x = tf.keras.Input([4])
    ragged = tf.keras.Input([None], ragged=True)
    y = tf.reduce_sum(x, 1, keepdims=True) + x[:, :1] * 2.0
    y = tf.concat([y, tf.keras.activations.relu(x), tf.cast(ragged.to_tensor() > 0, tf.float32)], 1)
    y = tf.keras.backend.mean(y, axis=1, keepdims=True)
    y = tf.keras.layers.Dense(2, activation=custom_activation, dtype="mixed_float16")(y)
    y = tf.keras.layers.Dense(2, "tanh", kernel_regularizer="l2", kernel_constraint="nonneg")(y)
    y = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(2))(y[:, :, None])
    model = tf.keras.Model([x, ragged], CustomLayer()(tf.keras.layers.LayerNormalization()(y)))
    model.compile(
        tf.keras.optimizers.Adam(tf.keras.optimizers.schedules.ExponentialDecay(0.1, 9, 0.5)),
        loss=tf.keras.losses.mean_squared_error,
        metrics=["mae", tf.keras.metrics.AUC(), tf.keras.metrics.mean_absolute_error],
    )
    return model, [np.ones([2, 4], "float32"), tf.ragged.constant([[1.0], [0.0]])]


def test_registered_objects_and_parts_of_keras_are_loaded(tmp_path):
    model, inputs = custom_model()
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="'(custom_activation|CustomLayer)' of module"):
        rk.export.load(tmp_path / "m.keras")
    objects = {"custom_activation": custom_activation, "CustomLayer": CustomLayer}
    with tf.keras.saving.custom_object_scope(objects):
        loaded = rk.export.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_classes_are_found_where_keras_finds_them():
    # A class that Keras finds elsewhere would be built in place of the checked one.
    kinds = (tf.keras.layers, tf.keras.initializers, tf.keras.losses, tf.keras.metrics,
             tf.keras.optimizers, tf.keras.optimizers.legacy, tf.keras.optimizers.schedules,
             tf.keras.regularizers, tf.keras.constraints, tf.keras)  # fmt: skip
    count = 0
    for module in kinds:
        name = "keras" + module.__name__.partition("keras")[2].rpartition("_v2.keras")[2]
        for class_name, found in vars(module).items():
            if isinstance(found, type) and found.__name__ == class_name:
                arguments = (class_name, None, name, "class", {})
                assert serialization_lib._retrieve_class_or_fn(*arguments) is found
                count += 1
    assert count > 200


# The archive and the weights.


@pytest.mark.parametrize(
    ("layer", "sizes"), [(2, {"embedding_dim": 1 << 30}), (-1, {"hidden_units": [1 << 40]})]
)
def test_weights_larger_than_the_file_are_not_made(source, tmp_path, layer, sizes):
    config = config_of(source)
    config["config"]["network"]["config"]["layers"][layer]["config"].update(sizes)
    file = with_members(source, tmp_path / "m.keras", **{"config.json": json.dumps(config)})
    with pytest.raises(ValueError, match=r"(?s)m\.keras' cannot be read.*larger weights than the"):
        rk.export.load(file)


def test_metrics_with_many_thresholds_are_not_made(source, tmp_path, monkeypatch):
    config = config_of(source)
    several = [{**tf.keras.metrics.AUC().get_config(), "num_thresholds": 600_000}] * 2
    metrics = [{"module": "keras.metrics", "class_name": "AUC", "config": e} for e in several]
    config["compile_config"]["metrics"] = metrics
    monkeypatch.setattr(tf.keras.metrics.AUC, "__init__", None)
    file = with_members(source, tmp_path / "m.keras", **{"config.json": json.dumps(config)})
    with pytest.raises(ValueError, match=r"m\.keras' cannot be read.*more thresholds than fit the"):
        rk.export.load(file)


def test_flipped_byte_is_found_wherever_it_is(source, tmp_path):
    content = source.read_bytes()
    for member in zipfile.ZipFile(source).infolist():
        changed = bytearray(content)
        start = member.header_offset + 30 + len(member.filename)
        changed[start + member.file_size // 2] ^= 1
        (tmp_path / "m.keras").write_bytes(changed)
        with pytest.raises(ValueError, match=r"m\.keras' cannot be read as a .keras file: .*file"):
            rk.export.load(tmp_path / "m.keras")
    for position in range(0, len(content), 997):  # also in the headers and the directory
        changed = bytearray(content)
        changed[position] ^= 64
        (tmp_path / "m.keras").write_bytes(changed)
        with contextlib.suppress(ValueError):  # and no other error
            rk.export.load(tmp_path / "m.keras")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_member_is_named(source, tmp_path, name):
    file = with_members(source, tmp_path / "m.keras", **{name: None})
    with pytest.raises(ValueError, match=rf"m\.keras' cannot be read.*it contains no {name}"):
        rk.export.load(file)


@pytest.mark.parametrize("length", [0, 1, 100, -1, -30, -1000])
def test_truncated_file_is_named(source, tmp_path, length):
    (tmp_path / "m.keras").write_bytes(source.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"m\.keras' cannot be read as a .keras file"):
        rk.export.load(tmp_path / "m.keras")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"{}", "contains 'config.json' more than once"),
        ("assets/zeros", bytes(10_000_000), "contents are larger than the file"),
    ],
)
def test_added_members_that_do_harm_are_refused(source, tmp_path, name, content, message):
    file = shutil.copy(source, tmp_path / "m.keras")
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    with pytest.raises(ValueError, match=message):
        rk.export.load(file)


def test_members_are_not_written_outside(source, tmp_path):
    name = "../../" * 9 + str(tmp_path / "out").lstrip("/")
    file = with_members(source, tmp_path / "m.keras", **{name: b"x"})
    rk.export.load(file)
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def link(group, name, path):
    del group[name]
    group[name] = h5py.ExternalLink(str(path), "/x")


def store_outside(group, name, path):
    del group[name]
    group.create_dataset(name, (4, 4), "float32", external=[(str(path), 0, 64)])


def enlarge(group, name, path):
    del group[name]
    group.create_dataset(name, (1 << 40,), "float32", chunks=(1 << 20,), compression="gzip")


def refer_virtually(group, name, path):
    del group[name]
    layout = h5py.VirtualLayout((4, 4), "float32")
    layout[:] = h5py.VirtualSource(str(path), "x", (4, 4))
    group.create_virtual_dataset(name, layout)


def refer(group, name, path):
    del group[name]
    group.create_dataset(name, (4, 4), h5py.vlen_dtype("float32"))


@pytest.mark.parametrize(
    ("change", "message"),
    [(link, "are a link"), (store_outside, "in another file"), (enlarge, "are larger"),
     (refer_virtually, "in another file"), (refer, "are no numbers")],
)  # fmt: skip
def test_weights_of_other_files_are_refused(source, tmp_path, change, message):
    (tmp_path / "secret").write_bytes(bytes(64))
    weights = tmp_path / "w.h5"
    with zipfile.ZipFile(source) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        parts = {}
        file.visititems(lambda path, part: parts.update({path: part}))
        first = next(path for path, part in parts.items() if isinstance(part, h5py.Dataset))
        change(parts[first].parent, first.rpartition("/")[2], tmp_path / "secret")
    changed = {"model.weights.h5": weights.read_bytes()}
    with pytest.raises(ValueError, match=rf"its weights.* {message}"):
        rk.export.load(with_members(source, tmp_path / "m.keras", **changed))
