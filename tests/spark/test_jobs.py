"""The folder of a job, without Spark."""

import pytest

from rankkit.spark._jobs import JobFolder


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
