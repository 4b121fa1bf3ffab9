"""`rankkit tune`: searches settings of a ranker, and trains its next version with the best."""

import argparse
import dataclasses
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

from rankkit.cli.folder import open_ranker, run_program
from rankkit.cli.recipe import FILE, Model, Recipe, toml_value, write_toml
from rankkit.cli.train import train
from rankkit.utils.errors import check_integer
from rankkit.utils.files import write_atomically

_PROGRAM = "tune.py"
_SEARCH = "tuning"  # folder of the search
_BEFORE = "# The settings of the recipe, with the same rows."  # ends the search in the program
_SPACE: dict[str, Any] = {  # around the settings of a new recipe
    "embedding_dim": [9, 17, 33, 65],
    "l2": (1e-4, 3e-2),
    "learning_rate": (3e-4, 1e-2),
    "tower_width": (32, 512),
}
_METRICS = {"ratings": "RMSE", "clicks": "log loss"}  # that trials are compared by


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "tune",
        help="search better settings of a ranker",
        description="Searches the settings of a network on the validation rows, and trains the "
        "next version of the ranker if the best are better than those of its recipe. The same "
        "command resumes an interrupted search, and extends it with more trials.",
    )
    parser.add_argument("ranker", type=Path, help="folder of `rankkit train`")
    parser.add_argument(
        "--trials", type=int, default=20, metavar="N", help="number of trials (default: 20)"
    )
    parser.add_argument("--seed", type=int, help="seed of the search (default: the recipe's)")
    parser.add_argument(
        "--overwrite", action="store_true", help="delete an earlier search, and start a new one"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    folder = options.ranker
    recipe, _ = open_ranker(folder)
    num_trials = check_integer("--trials", options.trials)
    seed = recipe.model.seed if options.seed is None else check_integer("--seed", options.seed, 0)
    program = _tuning_program(recipe, num_trials, seed)
    if options.overwrite:
        shutil.rmtree(folder / _SEARCH, ignore_errors=True)
    _check_is_same_search(folder, program)
    print(program, flush=True)
    with write_atomically(folder / _PROGRAM, replace=True) as part:
        part.write_text(program, encoding="utf-8")
    try:
        variables = run_program(folder / _PROGRAM)
    except KeyboardInterrupt:
        print("Interrupted. The same command resumes the search.", file=sys.stderr)
        raise
    except (ValueError, RuntimeError) as error:
        raise RuntimeError(str(error).replace("overwrite=True", "--overwrite")) from error
    found, before = variables["found"], variables["before"]
    model = _tuned(recipe, found.hyperparameters)
    metric = _METRICS[recipe.data.task]
    difference = f"a validation {metric} of {found.score:.4f}, {abs(before - found.score):.4f}"
    print()
    if model == recipe.model:
        print("The ranker has the settings of the best trial already. It stays as it is.")
        return 0
    if before <= found.score:
        print(
            f"The best trial has {difference} higher than the ranker's settings. It stays as it is."
        )
        return 0
    print(
        f"The best trial has {difference} lower than the ranker's settings. The next version is "
        "trained with them.\n",
        flush=True,
    )
    return train(*_with_model(recipe, model, folder / FILE), folder)


def _check_is_same_search(folder: Path, program: str) -> None:
    """Raises if the folder of the search is that of another program, apart from more trials."""
    if not (folder / _SEARCH).exists() or not (folder / _PROGRAM).is_file():
        return
    programs = program, (folder / _PROGRAM).read_text(encoding="utf-8")
    searches = [re.sub("max_trials=[0-9]+", "", each.partition(_BEFORE)[0]) for each in programs]
    if searches[0] != searches[1]:
        raise ValueError(
            f"{folder / _SEARCH} is the search of another recipe, seed or {_PROGRAM}. Undo the "
            "change, or pass --overwrite to delete that search."
        )


def _network_recipe(recipe: Recipe) -> Recipe:
    """Returns the recipe of the networks to search, which does not depend on tuned settings."""
    model = recipe.model
    kind = "deepfm" if model.kind == "bayesian" else model.kind
    kept = {name: getattr(model, name) for name in ("batch_size", "max_epochs", "seed")}
    return dataclasses.replace(recipe, model=Model(kind=kind, **kept))


def _tuned(recipe: Recipe, values: dict[str, Any]) -> Model:
    """Returns the model of a recipe with the settings of a trial, rounded to three digits."""
    settings = {
        name: float(f"{values[name]:.3g}") if isinstance(values[name], float) else values[name]
        for name in _SPACE
    }
    return dataclasses.replace(_network_recipe(recipe).model, **settings)


def _tuning_program(recipe: Recipe, num_trials: int, seed: int) -> str:
    """Returns the program that searches, and evaluates the recipe on the same rows."""
    from rankkit.cli.literals import Code, assign, call, literal, text
    from rankkit.cli.program import (
        compile_keywords,
        feature_lines,
        model_lines,
        network_keywords,
        read_lines,
        split_lines,
        start_lines,
    )

    networks = _network_recipe(recipe)
    model, metric = networks.model, _METRICS[recipe.data.task]
    network = f"rk.models.{model.kind}"
    fixed = network_keywords(networks)
    if fixed:
        given = "".join(f", {name}={literal(value)}" for name, value in fixed.items())
        network = f"partial({network}{given})"
    imports = ["from functools import partial"] * bool(fixed)
    logged = "root_mean_squared_error" if metric == "RMSE" else "loss"
    lines = [
        *start_lines(recipe, "Searches settings of a ranker of", "tune", *imports),
        "",
        "# Rows to train on and rows to validate on; the test rows stay unused.",
        *read_lines(recipe),
        *split_lines(networks),
        "",
        *feature_lines(networks, ["validation"]),
        "",
        *assign("space", {**_SPACE, "optimizer": "adam", "batch_size": model.batch_size}),
        *call(
            "hypermodel = rk.tuning.RankingHyperModel(",
            [Code("features")],
            {
                "label": recipe.data.label,
                "space": Code("space"),
                "network": Code(network),
                **compile_keywords(networks),
            },
        ),
        *call(
            "found = rk.tuning.search(",
            [Code("hypermodel"), Code("train")],
            {
                "validation_rows": Code("validation"),
                "directory": Code(f"folder / {text(_SEARCH)}"),
                "max_trials": num_trials,
                "epochs": model.max_epochs,
                "patience": 3,
                "seed": seed,
                "train_best": False,
            },
        ),
        "",
        _BEFORE,
        f"tf.keras.utils.set_random_seed({recipe.model.seed})",
        *(feature_lines(recipe, ["validation"]) if recipe != networks else []),
        *model_lines(recipe, verbose=0),
        "batches = rk.data.batches(validation, 8192)",
        f"before = model.evaluate(batches, return_dict=True, verbose=0)[{text(logged)}]",
        "",
        "# The five best trials.",
        *assign("names", list(_SPACE)),
        'trials = [trial for trial in found.trials if trial["score"] is not None]',
        'best = sorted(trials, key=lambda trial: trial["score"])[:5]',
        f'print(f"\\n{{\'{metric}\':>13}}", *(f"{{name:>13}}" for name in names))',
        "for trial in best:",
        '    score, *values = [trial[name] for name in ("score", *names)]',
        '    print(f"{score:13.4f}", *(f"{value:13.3g}" for value in values))',
        f'print(f"{{before:13.4f}}  the recipe ({recipe.model.kind})")',
    ]
    return "\n".join(lines) + "\n"


def _with_model(recipe: Recipe, model: Model, path: Path) -> tuple[Recipe, str]:
    """Returns a recipe with other settings, and its text, which keeps the comments of the file."""
    recipe = dataclasses.replace(recipe, model=model)
    old, new = path.read_text(encoding="utf-8"), dataclasses.asdict(model)
    before, header, after = old.partition("[model]\n")
    table, *rest = re.split(r"^(?=\[)", after, maxsplit=1, flags=re.MULTILINE)
    for name, value in new.items():
        line = f"{name} = {toml_value(value)}"
        table, count = re.subn(
            rf"^{name} *=[^#\n]*(?<! )", line, table, count=1, flags=re.MULTILINE
        )
        if not count:
            table = f"{line}\n{table}"
    text = "".join([before, header, table, *rest])
    try:
        is_right = tomllib.loads(text) == {**tomllib.loads(old), "model": new}
    except tomllib.TOMLDecodeError:
        is_right = False
    return recipe, text if is_right else write_toml(recipe, {})  # of a file in another layout
