"""Item transitions on the next item of a user: HR and NDCG over all items the user has not had.

Files have one user a line, `user item item ...` in order, as those of S3-Rec
(https://github.com/RUCAIBox/CIKM2020-S3Rec, `data/Beauty.txt` and `data/LastFM.txt`). The last item
is the test item, the one before it the validation item. The settings are those with the best
validation NDCG@10 in a grid, and the defaults. Transitions are counted in the items before the
validation items, as networks are trained in publications, and for `refitted` in these as well.
"""

import argparse
import itertools
import time
from pathlib import Path

import rankkit as rk

GRID = {
    "decay": (0.4, 0.5, 0.6, 0.7),
    "gap_decay": (0.6, 0.8, 0.9, 0.95),
    "power": (0.25, 0.5, 0.75),
}


def read_sequences(path):
    """Returns the items of each user."""
    return {user: items for user, *items in map(str.split, path.read_text().splitlines())}


def evaluate(sequences, settings, held_out, train_end=-2, num_bootstrap=1000):
    """Evaluates the item `held_out` places before the end of each sequence."""
    end = -held_out
    pairs = [(user, item) for user, items in sequences.items() for item in items[:train_end]]
    users, items = zip(*pairs, strict=True)
    transitions = rk.models.ItemTransitions(
        {"user_id": users, "item_id": items}, timestamp=None, **settings
    )
    rows = {
        "user_id": list(sequences),
        "item_id": [items[end] for items in sequences.values()],
        "history_item_id": [items[:end] for items in sequences.values()],
    }
    candidates = {"item_id": sorted({item for items in sequences.values() for item in items})}
    return rk.evaluation.evaluate_all_items(
        transitions, rows, candidates=candidates, k=(5, 10), num_bootstrap=num_bootstrap
    )


def main():
    parser = argparse.ArgumentParser(description="Item transitions on files of sequences.")
    parser.add_argument("files", type=Path, nargs="+")
    for path in parser.parse_args().files:
        sequences = read_sequences(path)
        grid = [dict(zip(GRID, each, strict=True)) for each in itertools.product(*GRID.values())]
        found = [evaluate(sequences, each, 2, num_bootstrap=1).metrics for each in grid]
        chosen = grid[max(range(len(grid)), key=lambda i: found[i]["ndcg_at_10"] or 0.0)]
        for name, settings in (("defaults", {}), ("chosen", chosen)):
            start = time.process_time()
            for part, *ends in (("validation", 2, -2), ("test", 1, -2), ("refitted, test", 1, -1)):
                print(f"\n{path.stem}, {name} {settings}, {part}")
                print(evaluate(sequences, settings, *ends), flush=True)
            print(f"{(time.process_time() - start) / 3:.1f} s of processor time for each")


if __name__ == "__main__":
    main()
