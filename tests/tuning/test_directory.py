import pytest

from rankkit.tuning.plan import claimed, compare

IDENTITY = {"data": {"rows": 3}, "space": {"tower_width": (1, 2)}}
PARTS = ["search", "journal.jsonl"]


def claim(directory, identity, *, overwrite=False, parts=PARTS):
    with claimed(directory, identity, overwrite=overwrite, parts=parts):
        pass


def test_the_same_search_may_go_on(tmp_path):
    claim(tmp_path / "search", IDENTITY)
    claim(tmp_path / "search", IDENTITY)
    compare(tmp_path / "search", IDENTITY)


def test_another_search_is_refused_and_named(tmp_path):
    claim(tmp_path / "search", IDENTITY)
    other = {**IDENTITY, "space": {"tower_width": (1, 4)}}
    with pytest.raises(ValueError, match="another space: .*tower_width.*overwrite=True") as caught:
        claim(tmp_path / "search", other)
    assert "data" not in str(caught.value)


def test_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        claim(tmp_path, IDENTITY, overwrite=True, parts=["journal.jsonl", "notes.txt"])
    with pytest.raises(ValueError, match="holds something else"):
        claim(tmp_path / "notes.txt", IDENTITY)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_overwriting_deletes_the_parts_of_a_search_only(tmp_path):
    claim(tmp_path, IDENTITY)
    (tmp_path / "search" / "trial").mkdir(parents=True)
    (tmp_path / "journal.jsonl").touch()
    (tmp_path / "notes.txt").touch()
    claim(tmp_path, {"data": 2}, overwrite=True)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["identity.json", "notes.txt", "search.lock"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_search_that_is_running_keeps_its_directory(overwrite, tmp_path):
    with claimed(tmp_path, IDENTITY, overwrite=False, parts=PARTS):
        (tmp_path / "journal.jsonl").write_text("kept")
        with pytest.raises(RuntimeError, match="in use by another process"):
            claim(tmp_path, IDENTITY, overwrite=overwrite)
        assert (tmp_path / "journal.jsonl").read_text() == "kept"
    claim(tmp_path, IDENTITY, overwrite=overwrite)


def test_what_a_process_left_that_was_killed_at_once_is_no_hindrance(tmp_path):
    (tmp_path / "search.lock").touch()
    (tmp_path / ".identity.json-x1").mkdir()
    claim(tmp_path, IDENTITY)


def test_a_damaged_identity_is_told_and_can_be_overwritten(tmp_path):
    claim(tmp_path, IDENTITY)
    (tmp_path / "identity.json").write_text("")
    with pytest.raises(ValueError, match=r"identity.json cannot be read.*overwrite=True"):
        claim(tmp_path, IDENTITY)
    claim(tmp_path, IDENTITY, overwrite=True)
    compare(tmp_path, IDENTITY)


def test_a_directory_without_a_search_is_told(tmp_path):
    with pytest.raises(ValueError, match="The chief and its workers need one directory"):
        compare(tmp_path, IDENTITY)
