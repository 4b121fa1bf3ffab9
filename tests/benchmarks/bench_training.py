"""Training throughput of the tutorial's network, compared with three implementations.

These are the tutorial's code; JAX, with a jitted scan over batches and the same network and
optimizer; and only the matrix products of the steps, a bound on the throughput. Goals: at batches
of 8192, 1024 and 256 rows 1.4, 2.5 and 4 times the throughput of the tutorial, that of JAX, and at
8192 rows 0.7 of that of the products. rankkit is measured without XLA and with it, which `fit`
would choose for more epochs; compilation is not timed, for JAX neither.
"""

import argparse

from alternating import Worker, report_ratio, run_alternating

BATCH_SIZES = (8192, 1024, 256)
OURS = ("rankkit", "rankkit_xla")
BASELINES = ("tutorial", "jax", "products")


def ratios(runs=9):
    medians = {}
    for size in BATCH_SIZES:
        workers = {name: Worker("training_ways.py", name, size) for name in (*OURS, *BASELINES)}
        seconds = run_alternating(workers, runs)
        for ours in OURS:
            for baseline in BASELINES:
                name = f"training at {size}: throughput of {ours} / {baseline}"
                pairs = zip(seconds[baseline], seconds[ours], strict=True)
                medians[name] = report_ratio(name, [slow / fast for slow, fast in pairs])
    return medians


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    ratios(parser.parse_args().runs)
