"""`rankkit evaluate`: how good a ranker is, on its test rows or on another file."""

import argparse
from pathlib import Path
from typing import Any

from rankkit.cli.folder import load_lines, open_ranker, run_lines


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="compare a ranker with baselines",
        description="Evaluates the newest export of a ranker on its test rows, or on all rows of "
        "another file with the same columns.",
    )
    parser.add_argument("ranker", type=Path, help="folder of `rankkit train`")
    parser.add_argument("path", nargs="?", default="", metavar="DATA", help="another file")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from rankkit.cli.program import evaluation_lines, read_lines, split_lines
    from rankkit.cli.verdict import verdict

    recipe, export = open_ranker(options.ranker)
    data = recipe.data
    special = [data.user, data.item, data.label]
    known = [*special, *filter(None, [data.time])]  # what rows are left out without
    lines = [*load_lines(export), *read_lines(recipe, only=known), *split_lines(recipe)]
    if options.path:
        lines += read_lines(recipe, path=options.path, rows="test", only=special)
    variables = run_lines([*lines, *evaluation_lines(recipe, "scorer")])
    print()
    print(verdict(recipe, variables["differences"].lines))
    return 0
