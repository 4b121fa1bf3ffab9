import json
import os

import pytest

from rankkit.tuning.journal import Journal, read_journal


def flips(content):
    """The content with each of its bits flipped in turn."""
    for place in range(len(content)):
        for bit in range(8):
            flipped = content[place] ^ 1 << bit
            yield content[:place] + bytes([flipped]) + content[place + 1 :]


def test_each_flipped_bit_is_named_or_has_no_effect(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    metrics = {"val_loss": 0.8125, "epochs": 3.0, "nan": float("nan")}
    events = [{"event": "end", "metrics": metrics, "message": "5 \u03bcs"}, {"event": "complete"}]
    for event in events:
        journal.append(event)
    journal.close()
    content, refused = path.read_bytes(), 0
    for damaged in flips(content):
        path.write_bytes(damaged)
        try:
            found = read_journal(path)
        except ValueError as error:
            refused += "is damaged" in str(error)
            continue
        # The name of the checksum has changed, or the end of the last line, which is dropped.
        for event, original in zip(found, events, strict=len(found) > 1):
            kept = {name: event.get(name) for name in original}
            assert json.dumps(kept) == json.dumps(original)
    assert refused > 0.8 * 8 * len(content)


def test_lines_without_a_checksum_are_read(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"number": 0}\n')
    journal = Journal(path)
    journal.append({"number": 1})
    journal.close()
    assert read_journal(path) == [{"number": 0}, {"number": 1}]


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
