"""Runs the benchmarks one after another and writes their ratios to a JSON file."""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
PACKAGES = ("rankkit", "tensorflow", "tf_keras", "tensorflow-recommenders", "keras-tuner", "numpy")


def describe_host():
    """Returns processor, load and versions, to record with the ratios."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[[], *NAMES], help="benchmarks to run; all by default"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("output/benchmarks.json"),
        help="JSON file; existing ratios are kept",
    )
    args = parser.parse_args()
    results = json.loads(args.output.read_text()) if args.output.exists() else {"ratios": {}}
    args.output.parent.mkdir(parents=True, exist_ok=True)
    for name in args.names or NAMES:
        print(f"== {name}", flush=True)
        results["host"] = describe_host()
        results["ratios"] |= importlib.import_module(f"bench_{name}").ratios()
        args.output.write_text(json.dumps(results, indent=2) + "\n")
