"""Concurrent requests for the scores of rows, answered by one call."""

import threading

import numpy as np

from rankkit.serving.runtime import PREDICT
from rankkit.serving.versions import Version

_MAX_ROWS = 4096


class Batcher:
    """Scores rows of `serving_default`, those of waiting threads together.

    There is no delay: a call takes what arrived while the one before was running.
    """

    def __init__(self) -> None:
        self._queue_lock = threading.Lock()
        self._call_lock = threading.Lock()
        self._queue: list[_Request] = []

    def run(self, version: Version, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns all outputs for the rows of `inputs`."""
        request = _Request(version, inputs)
        with self._queue_lock:
            self._queue.append(request)
        with self._call_lock:
            if request.results is None and request.error is None:
                _answer(self._take(request))
        if request.error is not None:
            raise request.error
        assert request.results is not None
        return request.results

    def _take(self, first: "_Request") -> list["_Request"]:
        """Takes a request and others that fit into the same call from the queue."""
        with self._queue_lock:
            taken, left, rows = [first], [], first.num_rows
            for request in self._queue:
                if request is first:
                    continue
                if request.key == first.key and rows + request.num_rows <= _MAX_ROWS:
                    taken.append(request)
                    rows += request.num_rows
                else:
                    left.append(request)
            self._queue = left
        return taken


class _Request:
    """The rows of one request and, once answered, their outputs or an error."""

    def __init__(self, version: Version, inputs: dict[str, np.ndarray]):
        self.version = version
        self.inputs = inputs
        self.num_rows = max(len(array) for array in inputs.values())
        self.key = (
            version,
            tuple((name, array.shape[1:]) for name, array in inputs.items()),
        )
        self.results: dict[str, np.ndarray] | None = None
        self.error: Exception | None = None


def _answer(requests: list[_Request]) -> None:
    """Sets the results of requests, or their errors."""
    try:
        merged = {
            name: np.concatenate([request.inputs[name] for request in requests])
            for name in requests[0].inputs
        }
        version = requests[0].version
        outputs = list(version.runtime.signatures[PREDICT].outputs)
        results = version.run(PREDICT, merged, outputs)
    except Exception as error:
        if len(requests) == 1:
            requests[0].error = error
        else:  # one of them may be at fault
            for request in requests:
                _answer([request])
        return
    start = 0
    for request in requests:
        stop = start + request.num_rows
        request.results = {name: array[start:stop] for name, array in results.items()}
        start = stop
