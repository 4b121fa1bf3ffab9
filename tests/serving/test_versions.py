"""Versions that appear, are broken, and disappear while the server runs."""

import os
import shutil
import threading

import pytest

from rankkit.serving.app import create_app
from rankkit.serving.errors import RequestError
from rankkit.serving.versions import ModelVersions, find_versions


def served(versions):
    """The numbers of the loaded versions after two looks at the folder."""
    versions.refresh()
    versions.refresh()
    return sorted(versions.loaded)


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.fixture
def versions(two_versions):
    """Version 1, loaded."""
    versions = ModelVersions(two_versions)
    versions.refresh(wait=False)
    assert sorted(versions.loaded) == [1]
    return versions


def test_new_version_is_loaded_beside_the_old_one(versions, two_versions):
    (two_versions.parent / "next").rename(two_versions / "2")
    assert served(versions) == [1, 2]
    assert versions.newest.number == 2
    assert versions.states() == {2: ("AVAILABLE", ""), 1: ("AVAILABLE", "")}


def test_oldest_version_is_dropped(versions, two_versions):
    for number in (2, 3):
        shutil.copytree(two_versions / "1", two_versions / str(number))
    assert served(versions) == [2, 3]


def test_version_is_not_read_while_its_files_change(versions, two_versions):
    shutil.copytree(two_versions / "1", two_versions / "2")
    versions.refresh()
    (two_versions / "2" / "saved_model.pb").touch()
    versions.refresh()
    assert sorted(versions.loaded) == [1]
    assert served(versions) == [1, 2]


@pytest.mark.parametrize("damage", ["partial", "flipped", "empty", "without checksums"])
def test_broken_version_is_reported_and_the_old_one_goes_on(versions, two_versions, damage):
    new, source = two_versions / "2", two_versions / "1"
    if damage == "empty":
        new.mkdir()
    else:
        shutil.copytree(source, new)
    if damage == "partial":
        shutil.rmtree(new / "variables")
    if damage == "flipped":
        flip_byte(new / "saved_model.pb")
    if damage == "without checksums":
        shutil.rmtree(new / "assets.extra")
    assert served(versions) == [1]
    state, error = versions.states()[2]
    assert state == "END"
    assert error
    # It is loaded once it is complete.
    shutil.rmtree(new)
    shutil.copytree(source, new)
    assert served(versions) == [1, 2]
    assert versions.states()[2] == ("AVAILABLE", "")


def test_failed_version_is_not_tried_again_until_it_changes(versions, two_versions, caplog):
    (two_versions / "2").mkdir()
    served(versions)
    served(versions)
    assert sum("cannot be loaded" in each.message for each in caplog.records) == 1


def test_version_that_is_overwritten_is_loaded_again(versions, two_versions):
    before = versions.newest
    shutil.rmtree(two_versions / "1")
    (two_versions.parent / "next").rename(two_versions / "1")
    assert served(versions) == [1]
    assert "rank_indexed" in versions.newest.runtime.signatures
    assert "rank_indexed" not in before.runtime.signatures


def test_version_overwritten_by_a_broken_one_goes_on(versions, two_versions):
    before = versions.newest
    flip_byte(two_versions / "1" / "saved_model.pb")
    assert served(versions) == [1]
    assert versions.newest is before


def test_removal_of_the_newest_version_goes_back_to_the_one_before(versions, two_versions):
    (two_versions.parent / "next").rename(two_versions / "2")
    assert served(versions) == [1, 2]
    shutil.rmtree(two_versions / "2")
    assert served(versions) == [1]


@pytest.mark.parametrize("folder", ["1", "."])
def test_loaded_version_goes_on_without_any_folder(versions, two_versions, folder):
    shutil.rmtree(two_versions / folder)
    assert served(versions) == [1]
    if folder == "1":
        (two_versions.parent / "next").rename(two_versions / "2")
        assert served(versions) == [2]


def test_file_that_tensorflow_lite_cannot_run_is_named(exports, monkeypatch):
    versions = ModelVersions(exports / "ids.tflite")
    versions.refresh(wait=False)
    version = versions.newest
    assert version is not None

    def fail(**inputs):
        raise RuntimeError("Node number 3 (GATHER) failed to invoke.\n")

    monkeypatch.setattr(version.runtime, "_run", fail)
    text = (
        r"^TensorFlow Lite cannot score inputs of the shapes .*: "
        r"Node number 3 \(GATHER\) failed to invoke\.$"
    )
    with pytest.raises(RequestError, match=text) as raised:
        version.run("serving_default", _row(), ["rating"])
    assert raised.value.status == 500


def test_tflite_file_in_a_version_folder(exports, tmp_path):
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        shutil.copy(exports / "ids.tflite", tmp_path / number)
    flip_byte(tmp_path / "2" / "ids.tflite")
    versions = ModelVersions(tmp_path)
    versions.refresh(wait=False)
    assert sorted(versions.loaded) == [1]
    assert "checksum" in versions.states()[2][1]
    # The file is not read again after it was loaded.
    before = versions.newest
    os.truncate(tmp_path / "1" / "ids.tflite", 10)
    assert served(versions) == [1]
    assert before is not None
    assert before.runtime.run("serving_default", _row(), ["rating"])["rating"].shape == (1, 1)


def _row():
    import numpy as np

    return {name: np.array([b"7"], object) for name in ("user_id", "movie_title")}


def test_folders_that_are_no_versions_are_ignored(tmp_path):
    for name in ("1", "02", "0", "-3", "x", ".4-copy", "5.tmp", "٣"):
        (tmp_path / name).mkdir()
    (tmp_path / "7").touch()
    assert sorted(find_versions(tmp_path)) == [1, 2]


@pytest.mark.parametrize("content", ["nothing", "empty", "broken"])
def test_application_needs_a_version(tmp_path, content):
    if content != "nothing":
        (tmp_path / "model").mkdir()
    if content == "broken":
        (tmp_path / "model" / "1").mkdir()
    with pytest.raises(ValueError, match=r"path must be a folder with versions.*Got: "):
        create_app(tmp_path / "model")


def test_requests_of_a_replaced_version_finish(versions, two_versions):
    old = versions.newest
    (two_versions.parent / "next").rename(two_versions / "2")
    shutil.copytree(two_versions / "2", two_versions / "3")
    results, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            results.append(old.runtime.run("serving_default", _row(), ["rating"])["rating"])

    thread = threading.Thread(target=ask)
    thread.start()
    assert served(versions) == [2, 3]
    stop.set()
    thread.join()
    assert len(results) > 1
    assert {float(each[0, 0]) for each in results} == {float(results[0][0, 0])}
