import os
import signal
import subprocess
import threading
import time
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from rankkit.data import movielens
from rankkit.data.datasets.tfds import read_columns, staging

PREPARE = """
import pathlib, sys
import rankkit as rk
from rankkit.data.datasets import movielens
archive, data_dir = map(pathlib.Path, sys.argv[1:])
movielens.is_reachable = lambda version: False
movielens.fetch_100k = lambda folder: archive
print(len(rk.data.movielens("100k", data_dir=data_dir)["user_id"]))
"""


@pytest.fixture
def start(warm_python):
    def start(archive, data_dir):
        command, pipe = [*warm_python, "-c", PREPARE, archive, data_dir], subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)

    return start


@pytest.fixture
def start_until_it_prepares(start):
    def start_until_it_prepares(archive, data_dir):
        process = start(archive, data_dir)
        deadline = time.monotonic() + 60
        while not list(data_dir.glob("*/tfds/movielens/100k-ratings/incomplete.*")):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return process

    return start_until_it_prepares


def test_builders_of_tfds_have_a_method_that_makes_the_download_manager():
    assert callable(tfds.core.DatasetBuilder._make_download_manager)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_preparation_leaves_no_files(
    write_archive, start_until_it_prepares, tmp_path, number
):
    process = start_until_it_prepares(write_archive(30_000), tmp_path)
    process.send_signal(number)
    try:
        process.communicate(timeout=1.5)
    except subprocess.TimeoutExpired:
        # Python drops exceptions raised while a callback of the garbage collector runs, such as
        # JAX's, if it is installed. Users press Ctrl-C again.
        process.send_signal(number)
        process.communicate(timeout=30)
    assert process.returncode != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_leftovers_of_a_killed_process_are_removed(
    write_archive, start_until_it_prepares, small_movielens, tmp_path
):
    process = start_until_it_prepares(write_archive(30_000), tmp_path)
    process.kill()
    process.communicate(timeout=30)
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    assert len(movielens("100k", data_dir=tmp_path)["user_id"]) == 300
    assert [path.name for path in tmp_path.iterdir()] == ["movielens"]


@pytest.mark.slow
def test_only_one_of_two_processes_prepares(archive, start, tmp_path):
    errors = []
    for process in [start(archive, tmp_path) for _ in range(2)]:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "300\n"), err
        errors.append(err)
    assert sum("Generating" in err for err in errors) == 1  # TFDS's progress bar
    assert [path.name for path in tmp_path.iterdir()] == ["movielens"]


def test_unfinished_files_of_another_tfds_are_kept(small_movielens, tmp_path):
    unfinished = tmp_path / "movielens/100k-ratings/incomplete.ABC123_0.1.1"
    unfinished.mkdir(parents=True)
    assert len(movielens("100k", data_dir=tmp_path)["user_id"]) == 300
    assert unfinished.exists()


def test_staging_is_exclusive(tmp_path, capsys):
    entered = threading.Event()

    def enter():
        with staging(tmp_path):
            entered.set()

    second = threading.Thread(target=enter)
    with staging(tmp_path) as stage:
        second.start()
        assert not entered.wait(0.2)
        assert list(tmp_path.iterdir()) == [stage]
    assert entered.wait(10)
    second.join()
    assert list(tmp_path.iterdir()) == []
    line = f"rankkit: waiting for another process to prepare data in {tmp_path}\n"
    assert capsys.readouterr().err == line


def test_signal_handler_of_the_user_is_kept_and_the_default_restored(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = []
    signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with staging(tmp_path):
            os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
    with staging(tmp_path):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class Numbers(tfds.core.GeneratorBasedBuilder):
    """Rows of two columns, in files that TFDS interleaves."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"number": np.int64, "text": np.str_})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(1500):
            yield number, {"number": number, "text": str(number)}


def test_many_files_are_interleaved_as_by_tfds(tmp_path):
    builder: Any = Numbers(data_dir=tmp_path)
    # More files than TFDS reads in parallel, so that its cycle matters.
    config = tfds.download.DownloadConfig(num_shards=20)
    builder.download_and_prepare(download_config=config)
    assert len(builder.info.splits["train"].filepaths) == 20
    expected = [int(row["number"]) for row in tfds.as_numpy(builder.as_dataset(split="train"))]
    rows = read_columns(builder, ["text", "number"])
    assert rows["number"].tolist() == expected
    assert rows["text"].tolist() == [str(number) for number in expected]
