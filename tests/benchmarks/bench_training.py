"""Training throughput of the tutorial's network, against three others, in turn on one machine.

They are the tutorial's own way, JAX (a jitted scan over batches, the same network and optimizer),
and the matrix products of the steps alone, which nothing can be faster than. Goals: at batches of
8192, 1024 and 256 rows 1.4, 2.5 and 4 times the tutorial's way, JAX's throughput, and at 8192 0.7
of the products'. Rankkit's steps are run as they are, and compiled by XLA, as training of many more
epochs would be; the time that this takes is not counted, nor is JAX's.
"""

import argparse

from alternating import Worker, in_turn, told

SIZES = (8192, 1024, 256)
OURS = ("rankkit", "compiled")
OTHERS = ("tutorial", "jax", "products")


def ratios(runs=9):
    found = {}
    for size in SIZES:
        workers = {way: Worker("training_ways.py", way, size) for way in (*OURS, *OTHERS)}
        seconds = in_turn(workers, runs)
        for own in OURS:
            for other in OTHERS:
                name = f"training at {size}: throughput of {own} / {other}"
                pairs = zip(seconds[other], seconds[own], strict=True)
                found[name] = told(name, [theirs / ours for theirs, ours in pairs])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    ratios(parser.parse_args().runs)
