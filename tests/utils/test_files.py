import pytest

from rankkit.utils.files import write_atomically


def write(path, text, **kwargs):
    with write_atomically(path, **kwargs) as temporary:
        temporary.write_text(text)


def test_file_is_written_in_a_new_folder_without_leftovers(tmp_path):
    write(tmp_path / "new" / "a.txt", "one")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]
    assert (tmp_path / "new" / "a.txt").read_text() == "one"


def test_folder_is_written(tmp_path):
    with write_atomically(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("one")
    assert (tmp_path / "folder" / "a.txt").read_text() == "one"


def test_existing_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "one")
    with pytest.raises(FileExistsError, match=r"^path must be new\. Got: path='.*a\.txt', which"):
        write(path, "two")
    assert path.read_text() == "one"
    write(path, "two", replace=True)
    assert path.read_text() == "two"


def fail_while_writing(path, *, replace):
    with write_atomically(path, replace=replace) as temporary:
        temporary.write_text("two")
        raise OSError("full")


@pytest.mark.parametrize("replace", [False, True])
def test_failed_write_changes_nothing(replace, tmp_path):
    path = tmp_path / "a.txt"
    if replace:
        path.write_text("one")
    with pytest.raises(OSError, match="full"):
        fail_while_writing(path, replace=replace)
    assert [each.read_text() for each in tmp_path.iterdir()] == (["one"] if replace else [])
