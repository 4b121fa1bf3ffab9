"""Options of `rankkit serve` that are refused before anything is served."""

import pytest

from rankkit.cli.main import main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["."], "path must be a folder with versions"),
        ([".", "--name", "a/b"], "name must be letters, digits"),
        ([".", "--versions", "0"], "--versions must be an integer of at least 1. Got: 0."),
        ([".", "--poll", "0"], "--poll must be a positive number of sec"),
        ([".", "--max-body", "-1"], "--max-body must be an integer of at least 1"),
        ([".", "--max-candidates", "0"], "--max-candidates must be an integer of at least 1"),
        ([".", "--max-pending", "0"], "--max-pending must be an integer of at least 1"),
        ([".", "--host", ""], "--host must be an address"),
        ([".", "--host", "no.such.host.invalid"], "Pass another --host or --port"),
        ([".", "--port", "70000"], "Pass another --host or --port"),
    ],
)
def test_unsuitable_options_are_named(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    assert main(["serve", "--port", "0", *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("rankkit serve: ")
    assert words in error


def test_help_and_version(capsys):
    for arguments, words in (
        (["serve", "--help"], "--max-candidates"),
        (["--version"], "rankkit "),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
        assert words in capsys.readouterr().out
