"""Training throughput of the tutorial's network, against three others, in turn on one machine.

They are the tutorial's own way, JAX (a jitted scan over batches, the same network and optimizer),
and the matrix products of the steps alone, which nothing can be faster than. Goals: at batches of
8192, 1024 and 256 rows 1.4, 2.5 and 4 times the tutorial's way, JAX's throughput, and at 8192 0.7
of the products'.
"""

import argparse

from alternating import Worker, in_turn, told

SIZES = (8192, 1024, 256)
OTHERS = ("tutorial", "jax", "products")


def ratios(runs=9):
    found = {}
    for size in SIZES:
        workers = {way: Worker("training_ways.py", way, size) for way in ("rankkit", *OTHERS)}
        seconds = in_turn(workers, runs)
        for other in OTHERS:
            name = f"training at {size}: throughput of rankkit / {other}"
            pairs = zip(seconds[other], seconds["rankkit"], strict=True)
            found[name] = told(name, [theirs / ours for theirs, ours in pairs])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    ratios(parser.parse_args().runs)
