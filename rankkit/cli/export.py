"""`rankkit export`: writes a ranker in a format for serving."""

import argparse
import shutil
from pathlib import Path
from typing import Any

from rankkit.cli.folder import open_ranker, run_lines
from rankkit.utils.files import version_number, write_atomically


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "export",
        help="write a ranker as a SavedModel or a TensorFlow Lite file",
        description="Converts the newest export of a ranker to TensorFlow Lite, or copies it.",
    )
    parser.add_argument("ranker", type=Path, help="folder of `rankkit train`")
    parser.add_argument(
        "--format", choices=("savedmodel", "tflite"), required=True, help="format to write"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="PATH",
        help="file to write, or folder named by a version number for a SavedModel "
        "(default: ranker.tflite in the folder of the ranker)",
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(options: argparse.Namespace) -> int:
    from rankkit.cli.literals import call

    _, export = open_ranker(options.ranker)
    output = options.output
    if options.format == "tflite":
        output = output or options.ranker / "ranker.tflite"
        run_lines(call("rk.export.to_tflite(", [str(export), str(output)], {}))
    elif output is None:
        options.parser.error(f"pass --output; the newest SavedModel is {export}")
    elif version_number(output.name) is None:
        options.parser.error(f"--output must end in a version number. Got: {str(output)!r}.")
    else:
        with write_atomically(output) as part:
            shutil.copytree(export, part)
    print(f"Wrote {output}")
    return 0
