"""`rankkit report`: writes the HTML report of a ranker again."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rankkit.cli.folder import PROGRAM, load_lines, open_ranker, run_lines

_MAX_DIFFERENCE = 1e-3  # of the scores of a model and its export, as a fraction of the labels


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
    names = ("model.keras", "evaluation.json", PROGRAM)
    files = {name: text(str(options.ranker / name)) for name in names}
    lines = [*load_lines(export), *read_lines(recipe), *split_lines(recipe)]
    variables, scorer = run_lines(lines), "scorer"
    training = ["history, code = None, None"]
    if (options.ranker / "model.keras").is_file():
        # More can be checked with the model than with an export, if it is of the same version.
        lines = [
            f"model = rk.export.load({files['model.keras']})",
            "features = {name: test[name] for name in model.feature_specs}",
            "difference = rk.export.max_abs_difference(model, scorer, features)",
        ]
        variables = run_lines(lines, variables)
        labels = variables["train"][recipe.data.label]
        if variables["difference"] <= _MAX_DIFFERENCE * (labels.max() - labels.min()):
            scorer = "model"
            training = [
                "import json",
                "from pathlib import Path",
                f'history = json.loads(Path({files["evaluation.json"]}).read_text())["history"]',
                f"code = Path({files[PROGRAM]}).read_text()",
            ]
        else:
            print(
                f"Warning: {files['model.keras']} is the model of another version than {export}. "
                "The report is without learning curve and program.",
                file=sys.stderr,
            )
    report = report_lines(recipe, str(path), scorer)
    run_lines([*settings_lines(recipe), *training, *report], variables)
    print(f"Wrote {path}")
    return 0
