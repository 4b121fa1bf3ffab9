"""`rankkit train` and what is done with its folder."""

import json
import shutil
import subprocess
import sys
import urllib.request

import pytest
import rankkit as rk

from rankkit.cli import folder, train
from rankkit.cli.main import main

from .conftest import OPTIONS, write_ratings


@pytest.fixture
def here(ranker, monkeypatch):
    """The folder that the ranker and its data lie in, as the working directory."""
    monkeypatch.chdir(ranker.parent)
    return ranker.parent


def test_the_folder_is_complete(ranker):
    names = {path.name for path in ranker.iterdir()}
    assert names == {
        "ranker.toml", "train.py", "model.keras", "evaluation.txt", "evaluation.json",
        "report.html", "export",
    }  # fmt: skip
    evaluation = json.loads((ranker / "evaluation.json").read_text())
    assert [line["scorer"] for line in evaluation["metrics"]] == ["model", "biases", "mean"]
    # The user and the movie explain all but a noise of sqrt(2/3) = 0.82.
    assert evaluation["metrics"][0]["rmse"] < 0.95
    assert evaluation["metrics"][2]["rmse"] > 1.1


def test_the_export_ranks_all_items_for_a_user_alone(ranker):
    scorer = rk.export.load(ranker / "export" / "1")
    assert set(scorer.feature_specs) == {"movie_id", "user"}
    inputs = scorer.loaded.signatures["rank_indexed"].structured_input_signature[1]
    assert sorted(inputs) == ["k", "user"]
    best = rk.rank(scorer, {"user": "003"}, scorer.candidates)
    assert len(best) == 15
    assert best[0][0]["movie_title"] == f"The Film {best[0][0]['movie_id']}"


def test_evaluate_repeats_the_evaluation_of_the_program(here, capsys):
    assert main(["evaluate", "ranker"]) == 0
    output = capsys.readouterr()
    written = (here / "ranker" / "evaluation.txt").read_text()
    assert written.splitlines()[1] in output.out
    assert "On the test rows, the ranker " in output.out
    assert '>>> scorer = rk.export.load("ranker/export/1")' in output.err


def test_evaluate_on_another_file(here, capsys):
    holes = iter(["", "NA"])
    write_ratings(here / "other.csv", lambda stars: next(holes, stars))
    assert main(["evaluate", "ranker", "other.csv"]) == 0
    output = capsys.readouterr().out
    assert "2 of 600 rows are left out: they lack stars\n" in output
    assert "all   model        598" in output


def test_report_is_written_again(copied):
    page = copied / "report.html"
    before = page.read_text()
    page.unlink()
    assert main(["report", "ranker"]) == 0
    for text in ("Unknown ids", "There is no learning curve"):
        assert page.read_text().count(text) == before.count(text)
    assert len(page.read_text()) == pytest.approx(len(before), rel=0.02)


def test_rank_leaves_out_what_the_user_had(here, capsys):
    def ranked(*options):
        assert main(["rank", "ranker", "--user", "003", *options]) == 0
        return capsys.readouterr().out.splitlines()

    every = ranked("--include-seen", "-k", "15")
    assert every[0].split() == ["rank", "score", "movie_id", "movie_title"]
    assert len(every) == 16
    lines = (here / "ratings.csv").read_text().splitlines()
    seen = {line.split(",")[1] for line in lines if line.startswith("003,")}
    ids = [line.split()[2] for line in ranked("-k", "15")[1:]]
    assert sorted(ids) == sorted({str(number) for number in range(15)} - seen)


def test_export_to_tflite(here):
    assert main(["export", "ranker", "--format", "tflite", "--output", "ranker.tflite"]) == 0
    scorer = rk.export.load(here / "ranker.tflite")
    saved = rk.export.load(here / "ranker" / "export" / "1")
    rows = {"user": ["001", "new"], "movie_id": ["7", "8"]}
    assert rk.export.max_abs_difference(scorer, saved, rows) < 1e-5


def test_export_of_another_saved_model(here):
    assert main(["export", "ranker", "--format", "savedmodel", "--output", "copy/7"]) == 0
    copy = rk.export.load(here / "copy" / "7")
    saved = rk.export.load(here / "ranker" / "export" / "1")
    ranked = [rk.rank(each, {"user": "001"}, each.candidates, k=3) for each in (copy, saved)]
    assert ranked[0] == ranked[1]


def test_test_rows_may_have_one_label(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{n % 7},{n % 5},{1 + n % 3 if n < 35 else 2},{n}" for n in range(40)]
    (tmp_path / "rows.csv").write_text("\n".join(["u,i,y,t", *rows]))
    options = ["--user", "u", "--item", "i", "--label", "y", "--time", "t"]
    assert main(["train", "rows.csv", *options]) == 0
    assert "On the test rows, the ranker " in capsys.readouterr().out
    assert (tmp_path / "ranker" / "export" / "1").is_dir()
    assert not (tmp_path / "ranker" / "report.html").exists()
    assert main(["report", "ranker"]) == 1
    assert "Labels must have at least two values" in capsys.readouterr().err


@pytest.fixture
def copied(ranker, tmp_path, monkeypatch):
    """A copy of the ranker and its data, to change."""
    shutil.copytree(ranker.parent, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy" / "ranker"


@pytest.mark.slow
def test_an_edited_recipe_gives_the_next_version(copied, capsys):
    recipe = copied / "ranker.toml"
    changes = {'"bayesian"': '"tower"', "max_epochs = 40": "max_epochs = 1", 'age = "number"': ""}
    for old, new in changes.items():
        assert old in recipe.read_text()
        recipe.write_text(recipe.read_text().replace(old, new))
    written = recipe.read_text()
    assert main(["train", "--recipe", "ranker/ranker.toml"]) == 0
    assert recipe.read_text() == written
    assert sorted(path.name for path in (copied / "export").iterdir()) == ["1", "2"]
    assert "rk.models.tower(features)" in (copied / "train.py").read_text()
    assert "epochs=1," in capsys.readouterr().out
    evaluation = json.loads((copied / "evaluation.json").read_text())
    assert len(evaluation["history"]["loss"]) == 1
    biases = next(line for line in evaluation["metrics"] if line["scorer"] == "biases")
    assert f"biases {biases['rmse']:#.4g}" in (copied / "report.html").read_text()
    assert not (copied / "new").exists()
    # The report is of the newest export, also after a return to an older one.
    for of_model in (True, False):
        assert main(["report", "ranker"]) == 0
        assert ("model of another version" in capsys.readouterr().err) != of_model
        page = (copied / "report.html").read_text()
        assert ("Learning curve" in page) == ("epochs=1," in page) == of_model
        shutil.rmtree(copied / "export" / "2", ignore_errors=True)


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "disk is full", "x"), 1)]
)
def test_a_failed_run_leaves_nothing(copied, monkeypatch, capsys, error, code):
    def fail(path):
        (path.parent / "model.keras").write_text("incomplete")
        raise error

    before = {path: path.stat().st_mtime_ns for path in copied.parent.rglob("*")}
    monkeypatch.setattr(train, "run_program", fail)
    assert main(["train", "ratings.csv", *OPTIONS, "--output", "fresh"]) == code
    assert main(["train", "--recipe", "ranker/ranker.toml"]) == code
    after = {path: path.stat().st_mtime_ns for path in copied.parent.rglob("*")}
    assert after.keys() == before.keys()
    files = [path for path in before if path.is_file()]
    assert [path for path in files if after[path] != before[path]] == []
    last = capsys.readouterr().err.splitlines()[-1]
    words = {
        130: "rankkit train: interrupted.",
        1: "rankkit train: ranker/new cannot be written (No",
    }
    assert last.startswith(words[code])


def test_a_reader_that_stops_reading_is_no_error(here):
    command = [sys.executable, "-m", "rankkit", "train", "ratings.csv", *OPTIONS, "--dry-run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        error = process.stderr.read().decode()
    assert process.returncode == 141
    assert "Broken pipe" not in error
    assert "I0000" not in error  # notes of TensorFlow about the host


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["train"], 2, "pass a data file, or --recipe"),
        (["train", "ratings.csv", "--user", "user"], 2, "columns of ratings.csv: --item, --label"),
        (["train", "--recipe", "ranker/ranker.toml", "--user", "u"], 2, "--recipe has the data"),
        (["train", "ratings.csv", *OPTIONS], 1, "The output folder 'ranker' exists. Train its rec"),
        (["train", "ratings.csv", *OPTIONS, "--output", "."], 1, "Pass another folder as --output"),
        (["train", "ratings.csv", *OPTIONS, "--seed", "-1"], 2, "--seed must be from 0 to 2,147"),
        (["train", "ratings.csv", *OPTIONS, "--output", "ratings.csv/x"], 1, "ratings.csv' is a f"),
        (["train", "movielens:99k", "--output", "x"], 1, "Unknown version '99k'."),
        (["evaluate", "nope"], 1, "'nope' does not exist. Pass a folder that `rankkit train`"),
        (["evaluate", "."], 1, "'.' has no ranker. Pass a folder that `rankkit train` wrote."),
        (["rank", "ranker", "--user", "03"], 1, "User '03' has no rows in ratings.csv"),
        (["rank", "ranker", "--user", "001", "-k", "0"], 1, "-k must be an integer of at least 1"),
        (["rank", "ranker"], 2, "the following arguments are required: --user"),
        (["export", "ranker", "--format", "onnx"], 2, "invalid choice: 'onnx'"),
        (["export", "ranker", "--format", "savedmodel", "--output", "x"], 2, "number. Got: 'x'."),
        (["export", "ranker", "--format", "savedmodel"], 2, "the newest SavedModel is ranker/exp"),
    ],
)
def test_mistakes_are_one_sentence(here, capsys, options, code, words):
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            main(options)
    else:
        assert main(options) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    if code == 1:
        assert error.splitlines()[-1].startswith(f"rankkit {options[0]}: ")


def test_dry_run_writes_nothing(here, capsys):
    before = sorted(here.rglob("*"))
    assert main(["train", "ratings.csv", *OPTIONS, "--dry-run"]) == 0
    assert sorted(here.rglob("*")) == before
    output = capsys.readouterr().out
    for text in ("column ", 'rk.data.time_split(rows, timestamp="when"', "[features.user]"):
        assert text in output


def test_versions_are_numbers(copied):
    (copied / "export" / "09").mkdir()
    (copied / "export" / "0x").mkdir()
    assert sorted(folder.exports(copied)) == [1, 9]


@pytest.mark.slow
def test_program_runs_without_the_command(copied, warm_python):
    shutil.rmtree(copied / "export")
    subprocess.run([*warm_python, "ranker/train.py"], cwd=copied.parent, check=True)
    assert (copied / "export" / "1").is_dir()


@pytest.mark.slow
def test_served_ranker_answers_for_a_user(ranker, warm_python):
    command = [*warm_python, "-m", "rankkit", "serve", str(ranker), "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().partition("/ is ready")[0]
            body = json.dumps({"query": {"user": "003"}, "k": 2}).encode()
            with urllib.request.urlopen(f"{address}/rank", body) as response:
                answer = json.load(response)
        finally:
            server.terminate()
    assert (answer["version"], len(answer["ranking"])) == (1, 2)
    assert sorted(answer["ranking"][0]["candidate"]) == ["movie_id", "movie_title"]
