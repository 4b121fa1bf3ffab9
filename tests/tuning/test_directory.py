"""Locking and checking of a search's directory."""

import pytest

from rankkit.tuning.plan import check_fingerprint, claim

FINGERPRINT = {"data": {"rows": 3}, "space": {"tower_width": (1, 2)}}


def open_search(directory, fingerprint=FINGERPRINT, *, overwrite=False):
    with claim(directory, fingerprint, overwrite=overwrite):
        pass


def test_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for directory in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match="directory must be new, empty or .* Got: directory="):
            open_search(directory, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_overwrite_deletes_only_the_files_of_a_search(tmp_path):
    open_search(tmp_path)
    (tmp_path / "search" / "trial").mkdir(parents=True)
    (tmp_path / "journal.jsonl").touch()
    (tmp_path / "notes.txt").touch()
    open_search(tmp_path, {"data": 2}, overwrite=True)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["identity.json", "notes.txt", "search.lock"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_running_search_locks_its_directory(overwrite, tmp_path):
    with claim(tmp_path, FINGERPRINT, overwrite=False):
        (tmp_path / "journal.jsonl").write_text("kept")
        with pytest.raises(RuntimeError, match="in use by another process"):
            open_search(tmp_path, overwrite=overwrite)
        assert (tmp_path / "journal.jsonl").read_text() == "kept"
    open_search(tmp_path, overwrite=overwrite)


def test_leftovers_of_a_killed_process_are_accepted(tmp_path):
    (tmp_path / "search.lock").touch()
    (tmp_path / ".identity.json-x1").mkdir()
    open_search(tmp_path)


def test_damaged_fingerprint_is_reported_and_can_be_overwritten(tmp_path):
    open_search(tmp_path)
    for damaged in ("", "null", "[1]"):
        (tmp_path / "identity.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"identity.json cannot be read.*overwrite=True"):
            open_search(tmp_path)
    open_search(tmp_path, overwrite=True)
    check_fingerprint(tmp_path, FINGERPRINT)


def test_directory_without_this_search_is_reported(tmp_path):
    open_search(tmp_path / "search")
    with pytest.raises(ValueError, match="another space .*tower_width.*overwrite=True") as caught:
        check_fingerprint(tmp_path / "search", {**FINGERPRINT, "space": {"tower_width": (1, 4)}})
    assert "data" not in str(caught.value)
    with pytest.raises(ValueError, match="The chief and all workers need the same directory"):
        check_fingerprint(tmp_path, FINGERPRINT)
