"""Searches in processes of their own: killed, with workers, with chief and worker."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import stub_search
from rankkit.tuning.processes import IP, PORT, TUNER_ID, Role, find_free_port, own_role

TRIALS = 6


def facts(text):
    """The result of `find` without times and workers."""
    trials, *rest = json.loads(text)
    for row in trials:
        del row["seconds"], row["worker"]
    return [trials, *rest]


def find_here(**kwargs):
    return facts(stub_search.find(**kwargs))


class SearchProcess:
    """A search in a process of its own."""

    def __init__(self, python, environment=None, script=stub_search.__file__, **kwargs):
        # A process of a user has neither this process's Keras setting nor its devices.
        env = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
        env["TF_CPP_MIN_LOG_LEVEL"] = "3"
        self.process = subprocess.Popen(
            [*python, script, json.dumps(kwargs)],
            env=env | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.pid = int(self.process.stdout.readline())

    def wait(self):
        """Returns the exit code, the result without times and workers, and the output."""
        output, errors = self.process.communicate(timeout=240)
        results = [line for line in output.splitlines() if line.startswith("FOUND")]
        found = facts(results[0].removeprefix("FOUND")) if results else None
        return self.process.returncode, found, output + errors


@pytest.fixture
def start(warm_python):
    """Starts `SearchProcess`es and kills those that a failed test left running."""
    searches = []

    def start(*args, **kwargs):
        searches.append(SearchProcess(warm_python, *args, **kwargs))
        return searches[-1]

    yield start
    for search in searches:
        if search.process.stdout and not search.process.stdout.closed:
            search.process.kill()
            search.process.communicate()


@pytest.fixture
def set_role(monkeypatch):
    """Sets the environment variables of keras-tuner, with the chief on this host."""

    def set_role(tuner_id, port):
        for name, value in {IP: "127.0.0.1", PORT: str(port), TUNER_ID: tuner_id}.items():
            monkeypatch.setenv(name, value)

    return set_role


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The result of an uninterrupted search in one process."""
    folder = tmp_path_factory.mktemp("uninterrupted") / "search"
    found = find_here(directory=str(folder), max_trials=TRIALS, verbose=0)
    assert any(row["message"] for row in found[0])  # pruned
    return found


def events(folder, kind):
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


def are_gone(pids):
    def state(pid):
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return "gone"

    return all(state(pid) in ("gone", "Z") for pid in pids)


def kill_in_later_trial(start, folder, settings):
    """Kills a search when each worker runs its second trial; returns the ended trials."""
    workers, before = settings["workers"], len(events(folder, "begin"))
    search = start({"STUB_TRIALS": "1"}, **settings)
    wait_for(lambda: len(events(folder, "begin")) == before + 2 * workers, search.process)
    family = [search.pid, *children(search.pid)]
    os.kill(search.pid, signal.SIGKILL)
    search.wait()
    wait_for(lambda: are_gone(family), seconds=20)
    ended = [json.loads(line)["trial"] for line in events(folder, "end")]
    assert len(ended) == workers
    return ended


def check_resumed(folder, settings, ended, expected):
    """Resumes a killed search in this process: only trials that had not ended are run."""
    num_started, num_resumed = len(events(folder, "begin")), len(events(folder, "resume"))
    assert find_here(**{**settings, "workers": 1}) == expected
    assert len(events(folder, "resume")) == num_resumed + 1
    # With two workers, either may have ended its trial first.
    again = [json.loads(line)["trial"] for line in events(folder, "begin")[num_started:]]
    assert sorted([*ended, *again]) == [row["trial"] for row in expected[0]]


@pytest.mark.slow
def test_killed_search_resumes_with_the_same_result(start, uninterrupted, tmp_path, capsys):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS, "workers": 1}
    ended = kill_in_later_trial(start, folder, settings)
    check_resumed(folder, settings, ended, uninterrupted)
    assert f"resuming after {len(ended)} trials" in capsys.readouterr().out


@pytest.mark.slow
def test_search_resumes_after_a_lost_worker_and_after_all_were_killed(
    start, uninterrupted, tmp_path
):
    folder = tmp_path / "search"
    settings = {"directory": str(folder), "max_trials": TRIALS, "workers": 2}
    search = start({"STUB_TRIALS": "0"}, **settings)
    wait_for(lambda: len(events(folder, "begin")) == 2, search.process)
    family = children(search.pid)
    os.kill(max(family), signal.SIGKILL)  # the worker that was started last
    code, found, output = search.wait()
    assert (code, found) == (1, None)
    assert "worker1 was killed by SIGKILL, so the other processes were terminated." in output
    wait_for(lambda: are_gone(family), seconds=20)
    check_resumed(folder, settings, kill_in_later_trial(start, folder, settings), uninterrupted)


@pytest.mark.slow
def test_two_workers_match_single_process_search(start, tmp_path):
    # TensorFlow is used before the search starts.
    script = tmp_path / "stub_search.py"
    source = Path(stub_search.__file__).read_text()
    script.write_text(f"import tensorflow as tf\ntf.constant(1)\n{source}")
    settings = {"max_trials": 4, "train": True, "learning_rate": [0.05, 0.1, 1e38]}
    folder = tmp_path / "two"
    two = start(script=script, directory=str(folder), workers=2, **settings)
    one = start(directory=str(tmp_path / "one"), **settings)
    (code, found, output), (_, expected, _) = two.wait(), one.wait()
    assert code == 0, output
    assert found == expected
    assert {json.loads(line)["tuner"] for line in events(folder, "begin")} == {"worker0", "worker1"}
    # A failure in a worker is reported by the chief.
    failed = [row for row in found[0] if row["learning_rate"] == 1e38]
    assert failed
    assert {row["status"] for row in failed} == {"FAILED"}
    assert failed[0]["message"].startswith("The loss was ")
    assert f"failed: {failed[0]['message']}" in output
    # A complete search starts no process.
    before = (folder / "journal.jsonl").read_bytes()
    assert find_here(directory=str(folder), workers=2, **settings) == found
    assert (folder / "journal.jsonl").read_bytes() == before


@pytest.mark.slow
def test_chief_and_worker_by_keras_tuners_environment(start, uninterrupted, tmp_path):
    settings = {"directory": str(tmp_path / "search"), "max_trials": TRIALS}
    address = {IP: "127.0.0.1", PORT: str(find_free_port())}
    worker = start({**address, TUNER_ID: "worker0"}, **settings)  # waits for the chief
    chief = start({**address, TUNER_ID: "chief"}, **settings)
    code, found, output = worker.wait()
    assert (code, found) == (0, None), output
    code, found, output = chief.wait()
    assert code == 0, output
    assert found == uninterrupted


@pytest.mark.slow
def test_chief_stops_after_failures_and_refuses_workers_of_another_search(
    start, tmp_path, monkeypatch, set_role
):
    settings = {"directory": str(tmp_path / "search"), "learning_rate": [1e37, 1e38]}
    settings["max_consecutive_failed_trials"] = 2
    address = {IP: "127.0.0.1", PORT: str(find_free_port())}
    chief = start({**address, TUNER_ID: "chief"}, **settings)
    set_role("w1", address[PORT])
    with pytest.raises(ValueError, match="settings .{'seed': 42} there, {'seed': 7} here"):
        find_here(**settings, seed=7)
    with pytest.raises(SystemExit) as ended:
        find_here(**settings)
    assert not ended.value.code
    monkeypatch.undo()
    # The second search, on one host, resumes with the last failed trial.
    for search in (lambda: chief, lambda: start(**settings, workers=2)):
        code, found, output = search().wait()
        assert (code, found) == (1, None)
        assert "stopped after max_consecutive_failed_trials=2 failed trials" in output
        assert "The loss was " in output


# --- Roles and errors, without other processes ---


def test_process_has_no_role_without_environment_variables():
    assert own_role() == Role("alone", "tuner0", None)


def test_role_is_read_from_keras_tuners_environment_variables(monkeypatch):
    monkeypatch.setenv(IP, "10.0.0.1")
    with pytest.raises(ValueError, match="Missing environment variable 'KERASTUNER_ORACLE_PORT'"):
        own_role()
    monkeypatch.setenv(PORT, "80000")
    monkeypatch.setenv(TUNER_ID, "chief")
    with pytest.raises(ValueError, match="KERASTUNER_ORACLE_PORT must be a port"):
        own_role()
    monkeypatch.setenv(PORT, "8000")
    assert own_role() == Role("chief", "chief", ("10.0.0.1", 8000))
    monkeypatch.setenv(TUNER_ID, "w1")
    assert own_role().kind == "worker"


def test_port_in_use_is_refused(run, set_role):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        set_role("chief", port)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}.*a free port"):
            run()


def test_worker_without_a_chief_times_out(run, set_role, capsys):
    set_role("w1", find_free_port())
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="Worker 'w1' found no chief at 127.0.0.1:.* within 0.5"):
        run(chief_timeout=0.5)
    assert time.monotonic() - started >= 0.5
    assert "w1: waiting up to 0.5 s for the chief" in capsys.readouterr().out


def test_unpicklable_hypermodel_is_refused_with_workers(run, make_hypermodel):
    hypermodel = make_hypermodel(interaction=lambda vectors: vectors[0])
    with pytest.raises(TypeError, match="cannot be pickled for several workers.*lambda"):
        run(hypermodel=hypermodel, workers=2)
