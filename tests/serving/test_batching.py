"""Concurrent requests in one call."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rankkit.serving.batching import Batcher
from rankkit.serving.runtime import Signature, Tensor
from rankkit.serving.versions import Version

TENSOR = Tensor(np.dtype(np.float32), (None,))


class Doubling:
    """Doubles numbers, refuses negative ones, and notes the size of each call."""

    def __init__(self):
        self.signatures = {"serving_default": Signature({"x": TENSOR}, {"y": TENSOR})}
        self.sizes = []
        self.first_call = threading.Event()
        self.go_on = threading.Event()

    def run(self, signature, inputs, outputs):
        self.sizes.append(len(inputs["x"]))
        self.first_call.set()
        assert self.go_on.wait(10)
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return {"y": 2 * inputs["x"]}


@pytest.fixture
def run_waiting():
    """Runs requests that arrive while a first one is running."""

    def run(runtime, arrays):
        version, batcher = Version(1, runtime, ()), Batcher()
        with ThreadPoolExecutor(len(arrays) + 1) as pool:
            first = pool.submit(batcher.run, version, {"x": np.zeros(1, np.float32)})
            assert runtime.first_call.wait(10)
            waiting = [pool.submit(batcher.run, version, {"x": each}) for each in arrays]
            while len(batcher._queue) < len(arrays):  # all have arrived
                pass
            runtime.go_on.set()
            first.result(10)
            return [each.exception(10) or each.result()["y"] for each in waiting]

    return run


def test_waiting_requests_share_a_call(run_waiting):
    runtime = Doubling()
    arrays = [np.arange(i, i + 3, dtype=np.float32) for i in range(20)]
    for array, result in zip(arrays, run_waiting(runtime, arrays), strict=True):
        np.testing.assert_array_equal(result, 2 * array)
    assert runtime.sizes == [1, 60]


def test_failing_request_leaves_the_others_alone(run_waiting):
    arrays = [np.array([i], np.float32) for i in (1, -1, 3)]
    first, failed, last = run_waiting(Doubling(), arrays)
    assert (first, last) == (2, 6)
    assert str(failed) == "negative"


def test_large_requests_do_not_share_a_call(run_waiting):
    runtime = Doubling()
    run_waiting(runtime, [np.zeros(3000, np.float32)] * 2)
    assert runtime.sizes == [1, 3000, 3000]
