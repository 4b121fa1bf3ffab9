"""The output folder of an example: protects existing results, resumes runs, times each step."""

import argparse
import contextlib
import csv
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

SETTINGS = "settings.json"
FREE = ("output_dir", "resume")  # options that a resumed run may change


def parse(description: str, options: Callable[[argparse.ArgumentParser], None]) -> Any:
    """Parses the command line: the example's own options and those of every example."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    options(parser)
    folder = Path("output") / Path(sys.argv[0]).stem
    parser.add_argument(
        "--output-dir",
        type=Path,
        default=folder,
        help="folder for the results; must be new or empty",
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue an interrupted run in --output-dir"
    )
    parser.add_argument("--quick", action="store_true", help="use a tenth of the data")
    return parser.parse_args()


def positive(text: str) -> int:
    """Parses a positive integer, for argparse."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def natural(text: str) -> int:
    """Parses a non-negative integer, for argparse."""
    if (number := int(text)) < 0:
        raise ValueError
    return number


class RunFolder:
    """Output folder of one run of an example.

    Args:
        args: The command line, from `parse`.
        redone: Files and folders that a resumed run writes again.
        free: Additional options that a resumed run may change.
    """

    def __init__(self, args: Any, *, redone: list[str], free: Iterable[str] = ()):
        self.path: Path = args.output_dir
        self.seconds: dict[str, float] = {}
        may_change = (*FREE, *free)
        settings = {name: v for name, v in vars(args).items() if name not in may_change}
        settings_file = self.path / SETTINGS
        if args.resume and settings_file.exists():
            if (before := json.loads(settings_file.read_text())) != settings:
                sys.exit(f"error: {self.path} was started with {before}, not with {settings}")
            for name in redone:
                shutil.rmtree(self.path / name, ignore_errors=True)
                (self.path / name).unlink(missing_ok=True)
        elif self.path.exists() and (not self.path.is_dir() or self._holds_results()):
            sys.exit(
                f"error: {self.path} is not empty. Choose another --output-dir, or pass --resume."
            )
        else:
            self.path.mkdir(parents=True, exist_ok=True)
            settings_file.write_text(json.dumps(settings))

    def _holds_results(self) -> bool:
        return any(path.name != SETTINGS for path in self.path.iterdir())

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Prints a header for a step of the run and measures its time."""
        print(f"== {len(self.seconds) + 1}. {name}", flush=True)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)
        print(f"   {self.seconds[name]:.2f} s\n", flush=True)

    def history(self) -> dict[str, list[float]]:
        """Reads `history.csv` of Keras's CSVLogger: one value per epoch for each metric."""
        with (self.path / "history.csv").open() as file:
            # An epoch that was interrupted after it was logged appears twice.
            epochs = {row["epoch"]: row for row in csv.DictReader(file)}
        names = [name for name in next(iter(epochs.values())) if name != "epoch"]
        return {name: [float(row[name]) for row in epochs.values()] for name in names}

    def write_json(self, name: str, value: Any) -> None:
        """Writes a file atomically: a killed run leaves the old file or the new one."""
        unfinished = self.path / f"{name}.tmp"
        unfinished.write_text(json.dumps(value, indent=2) + "\n")
        unfinished.replace(self.path / name)

    def write_metrics(self, **metrics: Any) -> None:
        """Writes `metrics.json`, including the seconds of each step."""
        self.write_json("metrics.json", {**metrics, "seconds": self.seconds})
        print(f"All results are in {self.path}")


def run_example(main: Callable[[], None]) -> None:
    """Runs an example; an interruption ends it with a single line."""
    try:
        main()
    except KeyboardInterrupt:
        print("\nInterrupted. Run the same command with --resume to continue.", file=sys.stderr)
        sys.exit(130)
