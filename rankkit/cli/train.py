"""`rankkit train`: from a file of ratings or clicks to a ranker."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from rankkit.cli.folder import PROGRAM, new_version, run_program
from rankkit.cli.recipe import FILE, MAX_SEED, read_recipe, write_toml
from rankkit.utils.quiet import import_tensorflow


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "train",
        help="train a ranker with a file of ratings or clicks",
        description="Guesses how to read the columns of a file, writes and prints a Python program "
        "that trains, evaluates and exports a ranker, and runs it. To change something, edit the "
        "recipe ranker.toml of the output folder and pass it as --recipe, or edit train.py.",
    )
    parser.add_argument(
        "path", nargs="?", help="CSV or Parquet file, or movielens:100k", metavar="DATA"
    )
    parser.add_argument("--user", metavar="COLUMN", help="column of user ids")
    parser.add_argument("--item", metavar="COLUMN", help="column of item ids")
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="column of ratings, or of 1 or true for a click and 0 or false for none",
    )
    parser.add_argument(
        "--time", metavar="COLUMN", help="column of timestamps: the latest rows are the test rows"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="folder to write (default: ranker)"
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="recipe to train instead of a guess; its folder gets the next version of the export",
    )
    parser.add_argument("--seed", type=int, help="seed of the split and the training (default: 42)")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the guess, the recipe and the program only"
    )
    parser.set_defaults(run=_run, parser=parser)


def _run(options: argparse.Namespace) -> int:
    if options.seed is not None and not 0 <= options.seed < MAX_SEED:
        options.parser.error(f"--seed must be from 0 to {MAX_SEED - 1:,}. Got: {options.seed}.")
    if options.recipe is not None:
        return _train_recipe(options)
    if options.path is None:
        options.parser.error("pass a data file, or --recipe")
    import_tensorflow()  # takes time, as pyarrow does
    from rankkit.cli.guess import as_table, guess
    from rankkit.cli.table import movielens_columns

    path = str(options.path)
    known = movielens_columns(path)
    special: dict[str, str] = {
        name: getattr(options, name) or known.get(name, "")
        for name in ("user", "item", "label", "time")
    }
    missing = [f"--{name}" for name in ("user", "item", "label") if not special[name]]
    if missing:
        options.parser.error(f"name the columns of {path}: {', '.join(missing)}")
    folder = options.output or Path("ranker")
    if folder.exists() and not options.dry_run:
        fix = "Pass another folder as --output."
        if (folder / FILE).is_file():
            fix = f"Train its recipe again with --recipe {folder / FILE}, or pass another --output."
        raise FileExistsError(f"The output folder {str(folder)!r} exists. {fix}")
    model = {} if options.seed is None else {"seed": options.seed}
    guessed = guess(path, **special, **model)
    print(as_table(guessed.lines), end="\n\n")
    for warning in guessed.warnings:
        print(f"Warning: {warning}", file=sys.stderr)
    text = write_toml(guessed.recipe, guessed.left_out)
    return train(guessed.recipe, text, folder, options.dry_run)


def _train_recipe(options: argparse.Namespace) -> int:
    for name in ("path", "user", "item", "label", "time"):
        if getattr(options, name) is not None:
            options.parser.error(f"--recipe has the data and its columns: drop {name}, or edit it")
    recipe = read_recipe(options.recipe)
    text = options.recipe.read_text(encoding="utf-8")
    if options.seed is not None:
        recipe = dataclasses.replace(
            recipe, model=dataclasses.replace(recipe.model, seed=options.seed)
        )
        text = write_toml(recipe, {})
    folder = options.output or options.recipe.parent
    return train(recipe, text, folder, options.dry_run)


def train(recipe: Any, text: str, folder: Path, is_dry_run: bool = False) -> int:
    """Prints the program of a recipe, and trains the next version of a ranker with it."""
    from rankkit.cli.program import training_program
    from rankkit.cli.verdict import verdict

    program = training_program(recipe)
    print(program, flush=True)
    if is_dry_run:
        print(text)
        return 0
    with new_version(folder) as new:
        (new / FILE).write_text(text, encoding="utf-8")
        (new / PROGRAM).write_text(program, encoding="utf-8")
        run_program(new / PROGRAM)
        evaluation = json.loads((new / "evaluation.json").read_text())
    print()
    print(verdict(recipe, evaluation["differences"]))
    print(f"The ranker is in {folder}. Serve it with: rankkit serve {folder}")
    return 0
