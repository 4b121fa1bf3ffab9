import os

import pytest

from rankkit.tuning.journal import Journal, read_journal


def test_incomplete_last_line_is_truncated(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"number": 0}\n{"numb')
    assert read_journal(path) == [{"number": 0}]
    journal = Journal(path)
    assert journal.size == len(b'{"number": 0}\n')
    journal.append({"number": 1})
    journal.close()
    assert read_journal(path) == [{"number": 0}, {"number": 1}]


def test_failed_write_leaves_whole_lines_and_names_the_file(tmp_path, monkeypatch):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.append({"number": 0})

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        OSError, match=r"journal.jsonl cannot be written \(No space left.*to resume"
    ):
        journal.append({"number": 1})
    monkeypatch.undo()
    journal.append({"number": 2})
    journal.close()
    assert read_journal(path) == [{"number": 0}, {"number": 2}]
