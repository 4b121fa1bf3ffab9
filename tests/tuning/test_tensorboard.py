"""TensorBoard's server shows the logs of a search on its HParams page."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from rankkit.tuning.processes import find_free_port

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


@pytest.fixture
def tensorboard(tmp_path):
    """Sends requests to the HParams plugin of a TensorBoard of the test's folder."""
    port = find_free_port()
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(tmp_path)]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--host", "127.0.0.1", "--reload_interval", "1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(what, **kwargs):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/data/plugin/hparams/{what}",
            data=json.dumps({"experimentName": "", **kwargs}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    yield ask
    server.terminate()
    server.wait(timeout=30)


def poll(ask, is_complete, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            answer = ask()
            if is_complete(answer):
                return answer
        except urllib.error.URLError:  # not started yet
            pass
        time.sleep(0.2)
    raise AssertionError("TensorBoard does not show the trials")


@pytest.mark.slow
def test_hparams_page_shows_the_trials(run, tensorboard):
    space = {"tower_width": [4, 8], "learning_rate": [0.01, 1e30]}
    found = run(space=space, max_trials=4, epochs=3, max_consecutive_failed_trials=4)
    assert {row["status"] for row in found.trials} == {"COMPLETED", "FAILED"}

    def groups():
        columns = [{"metric": {"tag": "score"}}]
        return tensorboard(
            "session_groups", colParams=columns, allowedStatuses=STATUSES, startIndex=0,
            sliceSize=100,
        )  # fmt: skip

    answer = poll(groups, lambda answer: len(answer.get("sessionGroups", [])) == 4)
    shown = {group["name"]: group for group in answer["sessionGroups"]}
    for row in found.trials:
        group = shown[row["trial"]]
        for name in space:
            assert group["hparams"][name] == pytest.approx(row[name])
        values = {m["name"]["tag"]: m["value"] for m in group.get("metricValues", [])}
        if row["score"] is None:
            assert values == {}
            assert group["sessions"][0]["status"] == "STATUS_FAILURE"
        else:
            assert values["score"] == pytest.approx(row["score"])
            assert group["sessions"][0]["status"] == "STATUS_SUCCESS"
    experiment = tensorboard("experiment")
    assert {each["name"] for each in experiment["hparamInfos"]} == {"tower_width", "learning_rate"}
    [metric] = experiment["metricInfos"]
    assert metric["displayName"] == "val_root_mean_squared_error"
