import io
import re

import pytest

from rankkit.tuning.reporting import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(text):
    return [line for line in text.splitlines() if line]


def test_a_log_gets_a_line_a_trial_and_no_more(run, capsys):
    found = run(max_trials=3, verbose=1)
    output = capsys.readouterr().out
    head, *rows, last = lines(output)
    assert head.split() == [
        "trial", "score", "best", "epochs", "seconds", "tower_width", "learning_rate", "elapsed",
        "left",
    ]  # fmt: skip
    best = []
    for number, (line, row) in enumerate(zip(rows, found.trials, strict=True), 1):
        best.append(row["score"])
        cells = line.split()
        assert cells[:3] == [f"{number}/3", f"{row['score']:.4f}", f"{min(best):.4f}"]
        assert cells[3] == str(row["best_epoch"])
        assert cells[5:7] == [str(row["tower_width"]), f"{row['learning_rate']:.3g}"]
        assert all(re.fullmatch(r"\d+:\d\d", cell) for cell in cells[-2:])
    assert rows[-1].split()[-1] == "0:00"  # nothing is left
    assert last.endswith(f"training it on all 600 rows for {found.epochs} epochs")
    assert not {"\r", "\x1b"} & set(output)


def test_silence(run, capsys):
    run(max_trials=1, verbose=0)
    assert capsys.readouterr().out == ""


def test_a_terminal_shows_each_epoch_in_a_line_that_moves(run, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    run(max_trials=2, epochs=3, verbose=1)
    output = terminal.getvalue()
    moving = re.findall(r"\r\x1b\[K +(\d/2)  epoch (\d): val_root_mean_squared_error \d", output)
    assert moving == [(f"{trial}/2", str(epoch)) for trial in (1, 2) for epoch in (1, 2, 3)]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (90061, "25:01:01")]
)
def test_times_are_read_as_on_a_clock(seconds, shown):
    from rankkit.tuning.reporting import _clock

    assert _clock(seconds) == shown


def test_what_it_says_goes_to_its_file():
    file = io.StringIO()
    Progress(["l2"], total=1, file=file).say("a line")
    assert file.getvalue() == "a line\n"


def test_a_closed_output_does_not_end_the_search(run, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    for output in (Closed(), None):  # the latter where there is no console at all
        monkeypatch.setattr("sys.stdout", output)
        assert len(run(max_trials=2, verbose=1).trials) == 2
