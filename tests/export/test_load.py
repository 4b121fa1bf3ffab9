import shutil

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

FILES = ("m.keras", "m.tflite", "1")


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_loaded_as_a_scorer(exported, name):
    model, folder = exported
    scorer = rk.export.load(folder / name)
    columns = {"user_id": ["42", "?"], "movie_title": ["b", "?"]}
    assert rk.export.max_abs_difference(model, scorer, columns) <= 1e-6
    assert set(scorer.feature_specs) == set(columns)
    assert {spec.dtype for spec in scorer.feature_specs.values()} == {tf.string}


def test_max_abs_difference_is_the_largest_difference():
    columns = {"x": np.array([1.0, 2.0, 3.0])}
    double = lambda columns: 2 * np.asarray(columns["x"])  # noqa: E731
    assert rk.export.max_abs_difference(lambda columns: columns["x"], double, columns) == 3.0
    with pytest.raises(ValueError, match="number of output values. Got: 2 of scorer, 3 of"):
        rk.export.max_abs_difference(lambda _: [1.0, 2.0], lambda _: [1.0, 2.0, 3.0], {})


@pytest.mark.parametrize("damage", ["empty", "garbage", "half"])
@pytest.mark.parametrize("name", FILES)
def test_damaged_files_raise(exported, tmp_path, name, damage):
    folder = shutil.copytree(exported[1], tmp_path / "copy")
    file = folder / "1" / "saved_model.pb" if name == "1" else folder / name
    content = file.read_bytes()
    half = content[: len(content) // 2]
    file.write_bytes({"empty": b"", "garbage": b"\x07garbage" * 99, "half": half}[damage])
    with pytest.raises(ValueError, match=f"'.*{name}' cannot be read.*create the file again"):
        rk.export.load(folder / name)
    with pytest.raises(FileNotFoundError, match=name):
        rk.export.load(tmp_path / name)


def test_saved_model_with_damaged_weights_raises(exported, tmp_path):
    shutil.copytree(exported[1] / "1", tmp_path / "1")
    for file in (tmp_path / "1" / "variables").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ValueError, match="cannot be read as a SavedModel"):
        rk.export.load(tmp_path / "1")


def test_saved_model_without_serving_default_raises(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(ValueError, match="SavedModel of rankkit.*default'. Check the path"):
        rk.export.load(tmp_path / "1")
