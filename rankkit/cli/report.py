"""`rankkit report`: writes the HTML report of a ranker again."""

import argparse
from pathlib import Path
from typing import Any

from rankkit.cli.folder import PROGRAM, load_lines, open_ranker, run_lines


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "report",
        help="write the HTML report of a ranker",
        description="Writes report.html in the folder of a ranker: metrics, errors and examples of "
        "its newest export. `rankkit train` does so, too, if matplotlib is installed.",
    )
    parser.add_argument("ranker", type=Path, help="folder of `rankkit train`")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from rankkit.cli.literals import text
    from rankkit.cli.program import read_lines, report_lines, settings_lines, split_lines

    recipe, export = open_ranker(options.ranker)
    path = options.ranker / "report.html"
    files = {name: text(str(options.ranker / name)) for name in ("evaluation.json", PROGRAM)}
    run_lines(
        [
            "import json",
            "from pathlib import Path",
            *load_lines(export),
            *read_lines(recipe),
            *split_lines(recipe),
            *settings_lines(recipe),
            f'history = json.loads(Path({files["evaluation.json"]}).read_text())["history"]',
            f"code = Path({files[PROGRAM]}).read_text()",
            *report_lines(recipe, str(path), "scorer"),
        ]
    )
    print(f"Wrote {path}")
    return 0
