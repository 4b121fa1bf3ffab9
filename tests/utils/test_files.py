import contextlib
import errno
import os
import subprocess
import sys

import pytest
import tensorflow as tf

from rankkit.utils import files
from rankkit.utils.files import host_error, write_atomically


def write(path, text, **kwargs):
    with write_atomically(path, **kwargs) as temporary:
        temporary.write_text(text)


def test_file_and_folder_are_written_in_a_new_folder_without_leftovers(tmp_path):
    write(tmp_path / "new" / "a.txt", "one")
    with write_atomically(tmp_path / "new" / "folder") as temporary:
        temporary.mkdir()
        (temporary / "a.txt").write_text("one")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"a.txt", "folder"}
    for folder in (tmp_path / "new", tmp_path / "new" / "folder"):
        assert (folder / "a.txt").read_text() == "one"


def test_existing_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "one")
    with pytest.raises(FileExistsError, match=r"^path must be new\. Got: path='.*a\.txt', which"):
        write(path, "two")
    assert path.read_text() == "one"
    write(path, "two", replace=True)
    assert path.read_text() == "two"


FULL, MISSING = "No space left on device", "No such file or directory"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        *((OSError(number, os.strerror(number), "folder/x"), number) for number in (
            errno.ENOSPC, errno.EIO, errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.EROFS,
            errno.ENOTCONN,
        )),
        (tf.errors.ResourceExhaustedError(None, None, f"search/checkpoint; {FULL}"), errno.ENOSPC),
        (RuntimeError(f"Unable to write the file ({FULL})"), errno.ENOSPC),
        (tf.errors.PermissionDeniedError(None, None, "x; Permission denied"), errno.EACCES),
        (FileNotFoundError(errno.ENOENT, MISSING, "folder/x"), errno.ENOENT),
        (tf.errors.NotFoundError(None, None, f"folder/x; {MISSING}"), errno.ENOENT),
        (FileNotFoundError(errno.ENOENT, MISSING, "elsewhere/x"), None),
        (ValueError("broken"), None),
    ],
)  # fmt: skip
def test_errors_of_the_host_have_a_number(error, number):
    assert host_error(error, "folder") == number


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


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "{{function_node x}} No space left on device"),
        RuntimeError("Unable to write (error message = 'No space left on device')"),
    ],
)
def test_errors_of_the_disk_name_the_path(tmp_path, error):
    def fail():
        with write_atomically(tmp_path / "a"):
            raise error

    message = r"^\[Errno 28\] \S*/a cannot be written \(No space left on device\)\. Fix it, and try"
    with pytest.raises(OSError, match=message):
        fail()


# Runs the module alone, without the imports of the package.
WRITER = """
import runpy, sys
write_atomically = runpy.run_path(sys.argv[3])["write_atomically"]
with write_atomically(sys.argv[1], replace=True) as temporary:
    if sys.argv[2] == "folder":
        temporary.mkdir()
        (temporary / "a.txt").write_text("of a process")
    else:
        temporary.write_text("of a process")
    print("written", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def another_process(path, kind):
    """Starts a process that writes to the same path and waits before it moves the result there."""
    command = [sys.executable, "-c", WRITER, str(path), kind, files.__file__]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        lines = (line.strip() for line in process.stdout)
        assert "written" in lines
        yield process


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_next_write_removes_what_a_killed_process_left(tmp_path, kind):
    names = {
        ".a-b-rankkit-12345678": "a-b",  # of another target
        ".a-rankkit-1234567": "a",
        ".a-rankkit-12345678": "notes.txt",
        ".a-20261130": "a",
        ".a-mine": "a",
    }
    others = [tmp_path / name for name in names]
    for folder, name in zip(others, names.values(), strict=True):
        folder.mkdir()
        (folder / name).touch()
    with another_process(tmp_path / "a", kind) as process:
        process.kill()
    assert len(list(tmp_path.iterdir())) == len(others) + 1
    write(tmp_path / "a", "one")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "a"])
    assert [next(folder.iterdir()).name for folder in others] == list(names.values())
    assert (tmp_path / "a").read_text() == "one"


def test_path_that_is_not_a_folder_is_left(tmp_path):
    fifo, link = tmp_path / ".a-rankkit-fifofifo", tmp_path / ".a-rankkit-linklink"
    os.mkfifo(fifo)  # which would block whoever opens it
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a").write_text("mine")
    link.symlink_to(tmp_path / "kept")
    write(tmp_path / "a", "one")
    assert fifo.is_fifo()
    assert (link / "a").read_text() == "mine"


def test_two_processes_may_write_the_same_path_at_once(tmp_path):
    path = tmp_path / "a"
    with another_process(path, "file") as process:
        write(path, "one", replace=True)
        assert path.read_text() == "one"
        process.communicate("\n", timeout=60)
    assert process.returncode == 0
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "of a process"


def test_folder_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock, folders = files._lock, []

    def remove_first(folder, *, wait):
        folders.append(folder)
        if len(folders) == 1:
            folder.rmdir()
        return lock(folder, wait=wait)

    monkeypatch.setattr(files, "_lock", remove_first)
    write(tmp_path / "a", "one")
    assert len(folders) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_file_system_without_locks_is_written_to(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(files.fcntl, "flock", no_locks)
    (tmp_path / ".a-rankkit-12345678").mkdir()
    write(tmp_path / "a", "one")
    assert sorted(each.name for each in tmp_path.iterdir()) == [".a-rankkit-12345678", "a"]
