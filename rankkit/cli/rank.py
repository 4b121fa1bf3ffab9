"""`rankkit rank`: the best items for a user."""

import argparse
import difflib
from pathlib import Path
from typing import Any

from rankkit.cli.folder import load_lines, open_ranker, run_lines


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "rank",
        help="print the best items for a user",
        description="Ranks all items of a ranker for a user of its data.",
    )
    parser.add_argument("ranker", type=Path, help="folder of `rankkit train`")
    parser.add_argument("--user", required=True, metavar="ID", help="id of the user")
    parser.add_argument("-k", type=int, default=10, help="number of items (default: 10)")
    seen = parser.add_mutually_exclusive_group()
    seen.add_argument(
        "--exclude-seen",
        action="store_true",
        help="leave out items in the user's rows of the data (default)",
    )
    seen.add_argument("--include-seen", action="store_true", help="rank these items, too")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from rankkit.cli.literals import Code, call, literal, text
    from rankkit.cli.program import Names, read_lines
    from rankkit.utils.errors import check_integer

    check_integer("-k", options.k)
    recipe, export = open_ranker(options.ranker)
    names = Names(recipe)
    item, user = text(names.item), text(names.user)
    variables = run_lines(read_lines(recipe, only=[recipe.data.user, recipe.data.item]))
    users = variables["rows"][names.user]
    if options.user not in (
        known := dict(zip(map(str, users.tolist()), users.tolist(), strict=True))
    ):
        near = difflib.get_close_matches(options.user, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"User {options.user!r} has no rows in {recipe.data.path}, and would get the ranking "
            f"of every unknown user.{hint}"
        )
    arguments = [Code("scorer"), {names.user: known[options.user]}, Code("scorer.candidates")]
    keywords: dict[str, Any] = {"k": options.k}
    lines = load_lines(export)
    if not options.include_seen:
        seen = f"rows[{user}] == {literal(known[options.user])}"
        lines.append(f"seen = rows[{item}][{seen}].tolist()")
        keywords["exclude"] = {names.item: Code("seen")}
    lines += call("best = rk.rank(", arguments, keywords)
    best = run_lines(lines, variables)["best"]
    table = [["rank", "score", names.item, *filter(None, [names.title])]]
    for number, (candidate, score) in enumerate(best, 1):
        cells = list(candidate.values()) if isinstance(candidate, dict) else [candidate]
        table.append([str(number), f"{score:.4f}", *map(str, cells)])
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    for row in table:
        print("  ".join(map(str.ljust, row, widths)).rstrip())
    return 0
