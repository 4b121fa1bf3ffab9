"""Damage to exported files is noticed before they are read."""

import shutil
import subprocess

import numpy as np
import pytest
import rankkit as rk

COLUMNS = {"user_id": ["7", "42", "?"], "movie_title": ["a", "b", "?"]}


def flipped(content, position):
    return content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :]


def damaged(content):
    """Damaged copies: a bit flipped at every 16th byte, cut off, without an end, with a longer one.

    The first 200 bytes, with the header and the checksum, are flipped one by one.
    """
    positions = sorted({*range(200), *range(0, len(content), 16), len(content) - 1})
    yield from (flipped(content, position) for position in positions)
    yield from (content[:length] for length in (24, 60, 104, 105, len(content) // 2))
    yield from (content[:-1], content[:-48], content + b"\0")


def test_damaged_tflite_files_are_refused_by_name(exported, tmp_path):
    content = (exported[1] / "m.tflite").read_bytes()
    path = tmp_path / "damaged.tflite"
    for copy in damaged(content):
        path.write_bytes(copy)
        with pytest.raises(ValueError, match=r"damaged.tflite' cannot be read .*checksum differs"):
            rk.export.load(path)


def test_damaged_files_of_a_saved_model_are_refused_by_name(exported, tmp_path):
    shutil.copytree(exported[1] / "1", tmp_path / "1")
    files = [path for path in sorted((tmp_path / "1").rglob("*")) if path.is_file()]
    assert {"saved_model.pb", "SHA256SUMS", "fingerprint.pb"} < {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        for position in (0, len(content) // 3, len(content) // 2, len(content) - 2):
            path.write_bytes(flipped(content, position))
            with pytest.raises(ValueError, match=r"/1' cannot be read as a SavedModel of rankkit"):
                rk.export.load(tmp_path / "1")
        path.write_bytes(b"")
        with pytest.raises(ValueError, match=r"/1' cannot be read as a SavedModel of rankkit"):
            rk.export.load(tmp_path / "1")
        path.write_bytes(content)
    rk.export.load(tmp_path / "1")


def test_damaged_and_missing_file_of_a_saved_model_is_named(exported, tmp_path):
    shutil.copytree(exported[1] / "1", tmp_path / "1")
    graph = tmp_path / "1" / "saved_model.pb"
    graph.write_bytes(flipped(graph.read_bytes(), 999))
    with pytest.raises(ValueError, match="saved_model.pb is damaged, its checksum differs"):
        rk.export.load(tmp_path / "1")
    graph.unlink()
    with pytest.raises(ValueError, match="No such file .*saved_model.pb"):
        rk.export.load(tmp_path / "1")


def test_checksums_of_a_saved_model_are_those_of_sha256sum(exported):
    command = ["sha256sum", "-c", "assets.extra/SHA256SUMS"]
    checked = subprocess.run(command, cwd=exported[1] / "1", capture_output=True, text=True)
    assert checked.returncode == 0
    assert "saved_model.pb: OK" in checked.stdout


def test_files_without_a_checksum_load_with_a_warning(exported, tmp_path):
    folder = shutil.copytree(exported[1], tmp_path / "copy")
    (folder / "1" / "assets.extra" / "SHA256SUMS").unlink()
    content = (folder / "m.tflite").read_bytes()
    # The flatbuffer as TensorFlow Lite's converter wrote it, which begins 96 bytes earlier.
    start = int.from_bytes(content[:4], "little") - 96
    original = start.to_bytes(4, "little") + content[4:8] + content[104:]
    (folder / "m.tflite").write_bytes(original)
    for name in ("1", "m.tflite"):
        with pytest.warns(UserWarning, match=f"{name}' has no checksum.* Export it again"):
            scorer = rk.export.load(folder / name)
        np.testing.assert_array_equal(scorer(COLUMNS), rk.export.load(exported[1] / name)(COLUMNS))


def test_files_that_others_add_to_a_saved_model_are_ignored(exported, tmp_path):
    shutil.copytree(exported[1] / "1", tmp_path / "1")
    (tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"requests")
    rk.export.load(tmp_path / "1")
