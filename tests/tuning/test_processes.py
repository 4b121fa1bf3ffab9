"""Searches in processes of their own: killed, shared out among workers, chief and worker."""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
import typing
from pathlib import Path

import pytest

from rankkit.tuning.processes import IP, PORT, Part, TUNER_ID, free_port, own_part
from rankkit.tuning.plan import claimed

TRIALS = 6
SCRIPT = """
import json, sys
import rankkit as rk

def find(**kwargs):
    rows, _ = rk.data.synthetic_ratings(600, num_users=30, num_items=20, seed=3)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        for name in ("user_id", "item_id")
    }
    space = {"tower_width": [4, 8], "learning_rate": (0.01, 0.5), "batch_size": 64}
    hypermodel = rk.tuning.RankingHyperModel(features, label="user_rating", space=space)
    found = rk.tuning.search(hypermodel, rows, epochs=8, **kwargs)
    weights = [weight.tolist() for weight in found.model.get_weights()]
    return json.dumps([found.trials, found.hyperparameters, found.score, weights])

if __name__ == "__main__":
    print("FOUND", find(**json.loads(sys.argv[1])))
"""


def facts(text):
    """What was found but for times and workers."""
    trials, *rest = json.loads(text)
    for row in trials:
        del row["seconds"], row["worker"]
    return [trials, *rest]


def find_here(script, **kwargs):
    """The same search in this process."""
    return facts(runpy.run_path(str(script))["find"](**kwargs))


class Search:
    """A search in a process of its own."""

    begun: typing.ClassVar[list["Search"]] = []

    def __init__(self, script, environment=None, **kwargs):
        # A process of its own has neither this one's Keras setting nor its devices.
        clean = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
        self.process = subprocess.Popen(
            [sys.executable, script, json.dumps(kwargs)],
            env={**clean, "TF_CPP_MIN_LOG_LEVEL": "3", **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        self.begun.append(self)

    def end(self):
        """Gives the exit code, what was found but for times and workers, and the output."""
        output, errors = self.process.communicate(timeout=240)
        for line in output.splitlines():
            if line.startswith("FOUND"):
                found = facts(line.removeprefix("FOUND"))
                return self.process.returncode, found, output + errors
        return self.process.returncode, None, output + errors


@pytest.fixture(autouse=True)
def nothing_is_left():
    """Ends what a test that failed has left running."""
    yield
    for search in Search.begun:
        if search.process.stdout and not search.process.stdout.closed:
            search.process.kill()
            search.process.communicate()
    Search.begun.clear()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def straight(script, tmp_path_factory):
    """What a search in one process finds, uninterrupted."""
    folder = tmp_path_factory.mktemp("straight") / "search"
    found = find_here(script, directory=str(folder), max_trials=TRIALS)
    assert any(row["message"] for row in found[0])  # was behind those before it
    return found


def journal(folder, kind):
    path = folder / "journal.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if f'"event": "{kind}"' in line]


def wait_for(condition, process=None, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def gone(pids):
    def state(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "gone"

    return all(state(pid) in ("gone", "Z") for pid in pids)


def killed_in_the_middle(script, folder, settings):
    """Kills a search in the middle of its next trials; gives what has ended, and how many begun."""
    workers, before = settings["workers"], len(journal(folder, "begin"))
    search = Search(script, **settings)
    # In the middle of the second trial of this run, or of the second and third.
    wait_for(lambda: len(journal(folder, "begin")) > before + workers, search.process)
    time.sleep(0.3)
    family = [search.process.pid, *children(search.process.pid)]
    os.kill(search.process.pid, signal.SIGKILL)
    search.end()
    wait_for(lambda: gone(family), seconds=20)
    done = [json.loads(line)["trial"] for line in journal(folder, "end")]
    assert 1 <= len(done) < TRIALS
    return done, len(journal(folder, "begin"))


def test_a_killed_search_goes_on_and_finds_the_same(script, straight, tmp_path, capsys):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS, "workers": 1}
    done, before = killed_in_the_middle(script, folder, settings)
    assert find_here(script, **settings) == straight
    assert f"going on after {len(done)} trials" in capsys.readouterr().out
    assert len(journal(folder, "resume")) == 1
    # Of two that train at a time, either may have ended first.
    again = [json.loads(line)["trial"] for line in journal(folder, "begin")[before:]]
    assert sorted([*done, *again]) == sorted(row["trial"] for row in straight[0])


def test_two_workers_find_what_one_finds(script, straight, tmp_path):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS, "workers": 2}
    code, found, output = Search(script, **settings).end()
    assert code == 0, output
    assert found == straight
    workers = {json.loads(line)["tuner"] for line in journal(folder, "begin")}
    assert workers == {"worker0", "worker1"}
    # What is complete needs no process.
    before = (folder / "journal.jsonl").read_bytes()
    assert find_here(script, **settings) == straight
    assert (folder / "journal.jsonl").read_bytes() == before


def test_when_a_worker_dies_or_all_are_killed_the_search_goes_on(script, straight, tmp_path):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS, "workers": 2}
    search = Search(script, **settings)
    wait_for(lambda: len(journal(folder, "begin")) >= 2, search.process)
    family = children(search.process.pid)
    os.kill(max(family), signal.SIGKILL)  # the last that was started
    code, found, output = search.end()
    assert (code, found) == (1, None)
    assert "worker1 was ended by SIGKILL, so the others were ended too." in output
    wait_for(lambda: gone(family), seconds=20)
    # It goes on, until all of them are killed.
    done, before = killed_in_the_middle(script, folder, settings)
    code, found, output = Search(script, **settings).end()
    assert code == 0, output
    assert f"going on after {len(done)} trials" in output
    assert found == straight
    assert len(journal(folder, "resume")) == 2
    # Of two that train at a time, either may have ended first.
    again = [json.loads(line)["trial"] for line in journal(folder, "begin")[before:]]
    assert sorted([*done, *again]) == sorted(row["trial"] for row in straight[0])


def test_chief_and_workers_by_keras_tuners_environment(script, straight, tmp_path):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS}
    address = {IP: "127.0.0.1", PORT: str(free_port())}
    searches = {
        name: Search(script, {**address, TUNER_ID: name}, **settings)
        for name in ("worker0", "chief")  # a worker waits for the chief
    }
    code, found, output = searches["worker0"].end()
    assert (code, found) == (0, None), output
    code, found, output = searches["chief"].end()
    assert code == 0, output
    assert found == straight


def test_a_failure_in_a_worker_is_told_by_the_chief(script, tmp_path):
    broken = tmp_path / "broken.py"
    script = SCRIPT.replace('learning_rate": (0.01, 0.5)', 'learning_rate": [1e38, 0.1]')
    # TensorFlow is in use before the search begins.
    broken.write_text(f"import tensorflow as tf\ntf.constant(1)\n{script}")
    settings = {"directory": str(tmp_path / "search"), "max_trials": 4, "workers": 2}
    code, found, output = Search(broken, **settings).end()
    assert code == 0, output
    assert found is not None
    statuses = {row["learning_rate"]: (row["status"], row["message"]) for row in found[0]}
    assert statuses[0.1] == ("COMPLETED", None)
    assert statuses[1e38][0] == "FAILED"
    assert statuses[1e38][1].startswith("The loss was ")
    assert "failed: The loss was " in output


def test_a_chief_ends_after_failures_and_a_worker_of_another_search_at_once(tmp_path, monkeypatch):
    broken = tmp_path / "broken.py"
    broken.write_text(SCRIPT.replace('learning_rate": (0.01, 0.5)', 'learning_rate": (1e37, 1e38)'))
    settings = {"directory": str(tmp_path / "search"), "max_consecutive_failed_trials": 2}
    address = {IP: "127.0.0.1", PORT: str(free_port())}
    chief = Search(broken, {**address, TUNER_ID: "chief"}, **settings)
    for name, value in address.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(TUNER_ID, "w1")
    words = "settings: {'seed': 42} there, {'seed': 7} here"
    with pytest.raises(ValueError, match=words):
        find_here(broken, **settings, seed=7)
    monkeypatch.setenv(TUNER_ID, "w0")
    with pytest.raises(SystemExit) as ended:
        find_here(broken, **settings)
    assert not ended.value.code
    code, _, output = chief.end()
    assert code == 1
    assert "stopped by max_consecutive_failed_trials=2" in output
    assert "The loss was " in output
    # On one machine, the same.
    for name in (*address, TUNER_ID):
        monkeypatch.delenv(name)
    code, found, output = Search(broken, **settings, workers=2).end()
    assert (code, found) == (1, None)
    assert "stopped by max_consecutive_failed_trials=2" in output
    assert "The loss was " in output


# --- The parts of a search ---


def test_without_its_variables_a_process_is_alone(monkeypatch):
    assert own_part() == Part("alone", "tuner0", None)


def test_the_part_is_read_from_keras_tuners_variables(monkeypatch):
    monkeypatch.setenv(IP, "10.0.0.1")
    with pytest.raises(ValueError, match="Missing environment variable 'KERASTUNER_ORACLE_PORT'"):
        own_part()
    monkeypatch.setenv(PORT, "80000")
    monkeypatch.setenv(TUNER_ID, "chief")
    with pytest.raises(ValueError, match="KERASTUNER_ORACLE_PORT must be a port"):
        own_part()
    monkeypatch.setenv(PORT, "8000")
    assert own_part() == Part("chief", "chief", ("10.0.0.1", 8000))
    monkeypatch.setenv(TUNER_ID, "w1")
    assert own_part().role == "worker"


def test_a_port_in_use_is_refused(run, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv(IP, "127.0.0.1")
        monkeypatch.setenv(PORT, str(port))
        monkeypatch.setenv(TUNER_ID, "chief")
        with pytest.raises(OSError, match=f"cannot listen at 127.0.0.1:{port}.*a free port"):
            run()


def test_a_worker_without_a_chief_says_so(run, monkeypatch, capsys):
    monkeypatch.setenv(IP, "127.0.0.1")
    monkeypatch.setenv(PORT, str(free_port()))
    monkeypatch.setenv(TUNER_ID, "w1")
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="Worker 'w1' found no chief at 127.0.0.1:.* within 0.5"):
        run(chief_timeout=0.5)
    assert 0.5 <= time.monotonic() - started < 5
    assert "w1: waiting up to 0.5 s for the chief" in capsys.readouterr().out


def test_a_folder_in_use_is_refused(run, tmp_path):
    run(max_trials=1)
    with (
        claimed(tmp_path / "search", {}, overwrite=True, parts=[]),
        pytest.raises(RuntimeError, match="in use by another process"),
    ):
        run(max_trials=1)


def test_what_no_other_process_can_be_given_is_named(run, make_hypermodel):
    hypermodel = make_hypermodel(interaction=lambda vectors: vectors[0])
    with pytest.raises(TypeError, match="must be picklable for several workers.*lambda"):
        run(hypermodel=hypermodel, workers=2)
