import io
import re

import pytest

from rankkit.tuning.reporting import format_seconds


def test_log_file_gets_one_line_per_trial(run, capsys):
    found = run(max_trials=3, verbose=1)
    output = capsys.readouterr().out
    objective, header, *rows, last = output.splitlines()
    assert objective == "objective: min val_root_mean_squared_error"
    assert header.split() == [
        "trial", "score", "best", "epochs", "seconds", "tower_width", "learning_rate", "elapsed",
        "left",
    ]  # fmt: skip
    scores = []
    for number, (line, row) in enumerate(zip(rows, found.trials, strict=True), 1):
        scores.append(row["score"])
        cells = line.split()
        assert cells[:3] == [f"{number}/3", f"{row['score']:.4f}", f"{min(scores):.4f}"]
        assert cells[3] == str(row["best_epoch"])
        assert cells[5:7] == [str(row["tower_width"]), f"{row['learning_rate']:.3g}"]
        assert all(re.fullmatch(r"\d+:\d\d", cell) for cell in cells[-2:])
    assert rows[-1].split()[-1] == "0:00"  # nothing is left
    assert last.endswith(f"training it on all 600 rows for {found.epochs} epochs")
    assert not {"\r", "\x1b"} & set(output)


def test_verbose_0_prints_nothing(run, capsys):
    run(max_trials=1, verbose=0)
    assert capsys.readouterr().out == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_terminal_shows_each_epoch_in_a_rewritten_line(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    run(max_trials=2, epochs=3, verbose=1)
    pattern = r"\r\x1b\[K +(\d/2)  epoch (\d): val_root_mean_squared_error \d"
    shown = re.findall(pattern, terminal.getvalue())
    assert shown == [(f"{trial}/2", str(epoch)) for trial in (1, 2) for epoch in (1, 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (90061, "25:01:01")]
)
def test_seconds_are_formatted_as_a_clock(seconds, shown):
    assert format_seconds(seconds) == shown


class Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize("output", [Closed(), None])  # None: there is no console
def test_closed_output_does_not_stop_the_search(output, run, monkeypatch):
    monkeypatch.setattr("sys.stdout", output)
    assert len(run(max_trials=1, verbose=1).trials) == 1
