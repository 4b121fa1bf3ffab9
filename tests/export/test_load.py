import shutil

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One model in all three formats."""
    folder = tmp_path_factory.mktemp("files")
    layers = {"id": rk.layers.IdEmbedding(["a", "b"], 4)}
    model = rk.RankingModel(
        rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8])), label="rating"
    )
    model.compile(optimizer="adagrad")
    model.save(folder / "m.keras")
    rk.export.save(model, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return model, [folder / "m.keras", folder / "1", folder / "m.tflite"]


def test_every_format_is_loaded_as_a_scorer(files):
    model, paths = files
    columns = {"id": ["b", "?"]}
    for path in paths:
        scorer = rk.export.load(path)
        assert rk.export.max_abs_difference(model, scorer, columns) <= 1e-6
        assert list(scorer.feature_specs) == ["id"]
        assert scorer.feature_specs["id"].dtype == tf.string


def test_max_abs_difference_is_the_largest_difference():
    columns = {"x": np.array([1.0, 2.0, 3.0])}
    double = lambda columns: 2 * np.asarray(columns["x"])  # noqa: E731
    assert rk.export.max_abs_difference(lambda columns: columns["x"], double, columns) == 3.0


def test_scorers_with_different_numbers_of_outputs_are_not_compared():
    with pytest.raises(ValueError, match="same number of output values. Got: 2 and 3"):
        rk.export.max_abs_difference(lambda _: [1.0, 2.0], lambda _: [1.0, 2.0, 3.0], {})


def test_missing_file_raises(tmp_path):
    for name in ("m.keras", "m.tflite", "1"):
        with pytest.raises(FileNotFoundError, match=name):
            rk.export.load(tmp_path / name)


@pytest.mark.parametrize("damage", ["empty", "garbage", "half"])
def test_damaged_files_raise(files, tmp_path, damage):
    for path in files[1]:
        copy = tmp_path / path.name
        shutil.copytree(path, copy) if path.is_dir() else shutil.copy(path, copy)
        file = copy / "saved_model.pb" if path.is_dir() else copy
        content = file.read_bytes()
        half = content[: len(content) // 2]
        file.write_bytes({"empty": b"", "garbage": b"\x07garbage" * 99, "half": half}[damage])
        with pytest.raises(
            ValueError, match=f"'.*{path.name}' cannot be read.*create the file again"
        ):
            rk.export.load(copy)


def test_saved_model_with_damaged_weights_raises(files, tmp_path):
    shutil.copytree(files[1][1], tmp_path / "1")
    for file in (tmp_path / "1" / "variables").iterdir():
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ValueError, match="cannot be read as a SavedModel"):
        rk.export.load(tmp_path / "1")


def test_saved_model_without_serving_default_raises(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(ValueError, match="SavedModel of rankkit.*default'. Check the path"):
        rk.export.load(tmp_path / "1")
