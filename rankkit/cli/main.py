"""The command `rankkit` and its subcommands."""

import argparse
import importlib.metadata
import os
import sys
from collections.abc import Sequence

from rankkit.cli import evaluate, export, rank, report, serve, train, tune

_COMMANDS = (train, tune, evaluate, report, rank, export, serve)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; returns the exit code.

    Args:
        arguments: Command-line arguments. Defaults to `None`: `sys.argv[1:]`.
    """
    parser = argparse.ArgumentParser(
        prog="rankkit", description="The ranking stage of a recommender."
    )
    version = importlib.metadata.version("rankkit")
    parser.add_argument("--version", action="version", version=f"rankkit {version}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # notes of TensorFlow about the host
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print(f"\nrankkit {options.command}: interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of a reader such as `head`, which had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, OSError, ModuleNotFoundError, RuntimeError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.strerror is not None:
            name = error.filename  # without one, the text is a sentence
            text = error.strerror if name is None else f"{name}: {error.strerror}."
        print(f"rankkit {options.command}: {text}", file=sys.stderr)
        return 1
