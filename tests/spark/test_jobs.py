"""The folder of a job, without Spark."""

import types
from typing import Any

import pyarrow as pa
import pytest
import tensorflow as tf

from rankkit.spark._jobs import JobFolder, collect_reports, run_and_report


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_damaged_description_is_named_and_written_again_if_nothing_else_is_there(tmp_path, content):
    folder, identity = JobFolder.at(tmp_path / "out"), {"k": 3}
    assert folder.claim(identity, 2) == 2
    (tmp_path / "out" / "_job.json").write_text(content)
    (tmp_path / "out" / "part-00000.parquet").touch()
    with pytest.raises(ValueError, match="output must be.*whose _job.json is damaged. Name"):
        folder.claim(identity, 4)
    (tmp_path / "out" / "part-00000.parquet").unlink()
    assert folder.claim(identity, 4) == 4
    assert folder.claim(identity, 5) == 4


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (pa.ArrowInvalid("Two lengths."), ValueError, "Two lengths."),
        (FileNotFoundError("No file."), OSError, "No file."),
        (tf.errors.ResourceExhaustedError(None, None, "No memory."), RuntimeError,
         "Partition 3 failed on a worker: ResourceExhaustedError: No memory."),
    ],
)  # fmt: skip
def test_any_error_of_a_worker_is_reported_and_raised(error, raised, message):
    def fail():
        raise error

    report = run_and_report(3, fail)
    frame: Any = types.SimpleNamespace(collect=report.to_pylist)
    with pytest.raises(raised, match=f"^{message}$"):
        collect_reports(lambda: frame)
