"""What the pages of the examples in the documentation, which run all of them, do not show."""

import csv
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(map(str, EXAMPLES.glob("[0-9]*.py")))
MOVIELENS, TUNE, _, TABLE, _, _, HEADS, WORKERS, DOCUMENTS, HISTORIES = SCRIPTS


@pytest.fixture
def start(warm_python):
    """Starts an example as from the command line."""

    def start(script, *arguments):
        command, pipe = [*warm_python, script, *map(str, arguments)], subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)

    return start


def wait_for(process, is_reached):
    """Waits until a running example has reached a point."""
    while not is_reached():
        assert process.poll() is None
        time.sleep(0.02)


def num_lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def run(start):
    """Runs an example, checks its exit code, and returns its output and errors."""

    def run(script, *arguments, exit_code=0):
        process = start(script, *arguments)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == exit_code, errors
        return output, errors

    return run


@pytest.fixture
def run_here(monkeypatch):
    """Runs an example in this process, which has already imported TensorFlow."""

    def run_here(script, *arguments):
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        monkeypatch.syspath_prepend(EXAMPLES)
        runpy.run_path(script, run_name="__main__")

    return run_here


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_is_fast_and_scripts_are_short(script):
    started = time.perf_counter()
    output = subprocess.check_output([sys.executable, script, "--help"], text=True)
    assert time.perf_counter() - started < 3  # TensorFlow is not imported
    for option in ("--quick", "--output-dir", "--help"):
        assert option in output
    assert len(Path(script).read_text().splitlines()) < 100


@pytest.mark.slow
def test_the_demo_ends_with_a_request(tmp_path, run_here, warm_python):
    run_here(MOVIELENS, "--quick", "--epochs", 1, "--output-dir", tmp_path / "demo")
    asks = [*warm_python, str(EXAMPLES / "ask_server.py")]
    folders = (tmp_path / "demo" / "export", tmp_path / "nothing")
    done, failed = (
        subprocess.run([*asks, str(folder)], capture_output=True, text=True, timeout=120)
        for folder in folders
    )
    assert done.returncode == 0, done.stderr
    request, answer = done.stdout.splitlines()[1:3]
    address = request.split()[1].removesuffix("/rank")
    assert len(json.loads(answer)["ranking"]) == 3
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(address)
    assert failed.returncode == 1
    assert "Got: no version in" in failed.stderr


def test_invalid_options_are_rejected_before_the_folder_is_created(tmp_path, run_here, capsys):
    for script, option, value, text in (
        (MOVIELENS, "--epochs", 0, "--epochs: invalid positive value: '0'"),
        (TABLE, "--rows", "magic", "magic"),
    ):
        with pytest.raises(SystemExit, match="^2$"):
            run_here(script, option, value, "--output-dir", tmp_path / "run")
        assert text in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_resumed_run_gives_the_same_metrics(tmp_path, start, run, run_here, capsys):
    options = ("--quick", "--epochs", 30, "--batch-size", 256, "--hidden-units", 32)
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    run_here(MOVIELENS, *options, "--output-dir", straight)
    found, output = metrics(straight), capsys.readouterr().out
    titles = {"M*A*S*H (1970)", "Dances with Wolves (1990)", "Speed (1994)"}
    assert {title for title, _ in found["ranking"]} == titles
    scores = [score for _, score in found["ranking"]]
    assert scores == sorted(scores, reverse=True)
    assert set(found["max_abs_difference"]) == {"saved_model", "tflite"}
    assert max(found["max_abs_difference"].values()) <= 1e-5
    steps = [line.split(". ")[1] for line in output.splitlines() if line.startswith("== ")]
    assert steps == list(found["seconds"])
    with pytest.raises(
        SystemExit, match="is not empty. Choose another --output-dir, or pass --res"
    ):
        run_here(MOVIELENS, *options, "--output-dir", straight)

    process = start(MOVIELENS, *options, "--output-dir", stopped)
    log = stopped / "history.csv"
    wait_for(process, lambda: num_lines(log) >= 4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("Interrupted. Run the same command with --resume")
    assert "Traceback" not in errors
    assert not (stopped / "metrics.json").exists()

    options = (*options, "--resume", "--output-dir", stopped)
    _, errors = run(MOVIELENS, *options, "--seed", 1, exit_code=1)
    assert "was started with" in errors
    output, _ = run(MOVIELENS, *options)
    assert "Epoch 1/30" not in output
    for name in ("test_rmse", "ranking"):
        assert metrics(stopped)[name] == metrics(straight)[name]
    epochs = [line.partition(",")[0] for line in log.read_text().splitlines()[1:]]
    assert sorted(set(map(int, epochs))) == list(range(30))


@pytest.mark.slow
def test_a_killed_search_resumes_with_the_same_result(tmp_path, start, run_here, capsys):
    options = ("--quick", "--epochs", 2)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run_here(TUNE, *options, "--max-trials", 3, "--output-dir", straight)

    process = start(TUNE, *options, "--max-trials", 2, "--workers", 2, "--output-dir", killed)
    journal = killed / "tuning" / "journal.jsonl"
    wait_for(process, lambda: journal.exists() and '"begin"' in journal.read_text())
    process.kill()
    process.communicate(timeout=60)
    # Resuming with more trials in one process continues the same search.
    options = (*options, "--max-trials", 3, "--resume", "--output-dir", killed)
    capsys.readouterr()
    run_here(TUNE, *options)
    output = capsys.readouterr().out
    assert "resuming after" in output
    found = metrics(killed)
    for name in ("test_rmse", "best_hyperparameters", "validation_rmse", "epochs"):
        assert metrics(straight)[name] == found[name]

    assert 0.9 < found["test_rmse"] < 1.2
    assert 0.9 < found["bias_baseline_rmse"] < 1.1
    names = {"tower_width", "learning_rate", "optimizer", "l2", "embedding_dim"}
    assert set(found["best_hyperparameters"]) == names
    assert found["trials"] == 3
    assert found["seconds"]["search"] > 0
    for text in (f"test RMSE {found['test_rmse']:.4f}", "tutorial, 1.10"):
        assert text in output
    with (killed / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert min(float(row["score"]) for row in rows) == found["validation_rmse"]
    assert [row["trial"] for row in rows] == ["0000", "0001", "0002"]
    for picture in ("search_history", "search_scatter", "parallel_coordinates"):
        assert (killed / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert (killed / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
def test_an_invalid_search_is_rejected_and_its_folder_stays_usable(tmp_path, run_here):
    arguments = ["--quick", "--output-dir", tmp_path]
    with pytest.raises(SystemExit, match="^error: max_trials must be at least"):
        run_here(TUNE, *arguments, "--tuner", "hyperband", "--max-trials", "2")
    run_here(TUNE, *arguments, "--max-trials", "1", "--epochs", "1")
    assert metrics(tmp_path)["trials"] == 1
    assert not (tmp_path / "parallel_coordinates.png").exists()  # a single trial


@pytest.mark.filterwarnings("ignore:Vectors do not lower the held-out RMSE")  # of --quick
@pytest.mark.slow
def test_the_results_table_resumes_after_its_last_row(tmp_path, run_here, capsys):
    folder = tmp_path / "run"
    rows = ["user_and_item_biases", "bayesian_ids"]
    command = (TABLE, "--quick", "--rows", *rows, "--output-dir", folder, "--seeds", 1, 2)
    run_here(*command)
    results = json.loads((folder / "results.json").read_text())
    assert [(row["name"], row["seed"]) for row in results] == [(n, s) for n in rows for s in (1, 2)]
    keys = ["name", "inputs", "seed", "rmse", "mae", "ndcg_at_10", "auc", "seconds"]
    assert list(results[0]) == keys
    assert results[2]["rmse"] < results[0]["rmse"]
    assert results[2]["rmse"] != results[3]["rmse"]
    (folder / "results.json").write_text(json.dumps(results[:3]))
    capsys.readouterr()
    run_here(*command, "--resume")
    output = capsys.readouterr().out
    assert "bayesian_ids, seed 2" in output
    assert "bayesian_ids, seed 1" not in output
    again = json.loads((folder / "results.json").read_text())
    assert [row["rmse"] for row in again] == [row["rmse"] for row in results]


@pytest.mark.slow
def test_the_results_table_accepts_a_number_of_ratings(tmp_path, run_here, capsys):
    folder = tmp_path / "run"
    run_here(TABLE, "--rows", 2000, "user_and_item_biases", "--seeds", 1, "--output-dir", folder)
    assert "1,600 training ratings" in capsys.readouterr().out
    for twice in (["--rows", 2000, 4000], ["--rows", 2000, "--quick"]):
        with pytest.raises(SystemExit, match="one number of ratings"):
            run_here(TABLE, *twice, "--output-dir", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_multitask_example_trains_both_objectives(tmp_path, run_here, capsys):
    folder = tmp_path / "run"
    run_here(HEADS, "--quick", "--epochs", 30, "--sharing", "ple", "--output-dir", folder)
    output = capsys.readouterr().out
    found = metrics(folder)["test"]
    assert set(found) == {"rating", "click", "rating and click"}
    for alone in ("rating", "click"):
        loss = f"{alone}_loss"
        assert found["rating and click"][loss] < 1.1 * found[alone][loss]
    assert found["rating and click"]["click_auc"] > 0.6
    assert output.partition("for user 42, by both")[2].partition("\n   ")[2].count(")\n") >= 10
    assert (folder / "ranker.tflite").exists()


@pytest.mark.slow
def test_learning_to_rank_reads_files_of_lightgbm(tmp_path, run_here, capsys):
    rng = np.random.default_rng(42)
    for name, sizes in {"rank.train": [9] * 20, "rank.test": [4, 9, 1]}.items():
        numbers = rng.normal(size=(sum(sizes), 3)).round(3)
        lines = [f"{int(a > 0) + int(a > 1)} 1:{a} 2:{b} 3:{c}" for a, b, c in numbers]
        (tmp_path / name).write_text("\n".join(lines))
        (tmp_path / f"{name}.query").write_text("\n".join(map(str, sizes)))
    options = ("--data", tmp_path, "--epochs", 30, "--learning-rate", 0.01)
    run_here(DOCUMENTS, *options, "--output-dir", tmp_path / "run")
    output = capsys.readouterr().out
    for text in ("144 training documents of 16 queries", "14 test documents of 3 queries"):
        assert text in output
    for name in ("network", "attention"):  # labels depend on the first number
        assert metrics(tmp_path / "run")["test"][name]["ndcg_at_10"] > 0.9
        assert f"{name:9}  NDCG@1 " in output
    assert "attention - network" in output
    scores = [float(score) for score in re.findall(r"score +(-?[\d.]+), label", output)]
    assert len(scores) == 4
    assert scores == sorted(scores, reverse=True)


@pytest.mark.slow
def test_histories_are_compared_exported_and_plotted(tmp_path, run_here, capsys):
    folder = tmp_path / "run"
    run_here(HISTORIES, "--quick", "--epochs", 1, "--events", 5, "--output-dir", folder)
    output, found = capsys.readouterr().out, metrics(folder)
    assert "6,398 training rows, 0 users without training rows" in output
    assert {line["scorer"] for line in found["differences"]} == {
        "mean - without",
        "attention - without",
    }
    assert len(found["ranking"]) == 5
    for _, score in found["ranking"]:
        assert 0 < score < 6
    assert (folder / "attention.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "ranker.tflite").exists()


def rmse_without_workers(epochs, batch_size):
    """Test RMSE of the same training in one process, without a strategy."""
    tf.keras.utils.set_random_seed(42)
    rows = runpy.run_path(str(EXAMPLES / "movielens_rows.py"))["movielens_rows"]
    ratings, train, test = rows(quick=True)
    names = ("user_id", "movie_title")
    features = {name: rk.layers.IdEmbedding.from_column(ratings[name], 32) for name in names}
    network = rk.models.tower(features, hidden_units=[256, 64])
    model = rk.RankingModel(network, label="user_rating")
    model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    batches = rk.data.batches(train, batch_size, shuffle=True, seed=42)
    model.fit(batches, epochs=epochs, verbose=0)
    logs = model.evaluate(rk.data.batches(test, 4096), return_dict=True, verbose=0)
    return logs["root_mean_squared_error"]


@pytest.mark.slow
def test_training_resumes_after_a_worker_is_killed_with_the_same_result(tmp_path, start):
    options = ("--quick", "--epochs", 6, "--batch-size", 4096)
    killed = tmp_path / "killed"
    process = start(WORKERS, *options, "--output-dir", killed)
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("worker 1 is process "):
        assert process.poll() is None
    log = killed / "history_0.csv"
    wait_for(process, lambda: num_lines(log) >= 2)
    os.kill(int(line.split()[-1]), signal.SIGKILL)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert "worker 1 was lost, by signal 9; the others were stopped" in output
    assert "worker 0 starts after 0 epochs" not in output.partition("was lost")[2]
    assert metrics(killed)["restarts"] == 1
    alone = rmse_without_workers(epochs=6, batch_size=4096)
    assert metrics(killed)["test_rmse"] == pytest.approx(alone, abs=1e-5)
    assert (killed / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.slow
def test_an_error_of_one_worker_stops_all_workers(tmp_path, run):
    options = ("--quick", "--wait", -1, "--output-dir", tmp_path / "run")
    output, errors = run(WORKERS, *options, exit_code=1)
    assert re.search("error: worker [01] ended with exit code 1. Its error is above.", errors)
    assert "ValueError: timeout must be a number of seconds, at least 0. Got: timeout=-1" in errors
    assert output.count("worker 0 is process") == 1
