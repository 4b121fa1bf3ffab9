"""Memory of a search."""

import json
import subprocess

import pytest

SCRIPT = """
import json, os, sys, warnings
warnings.simplefilter("error", ResourceWarning)
import numpy as np
import rankkit as rk

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Measured(rk.tuning.RankingHyperModel):
    def fit(self, *args, **kwargs):
        sizes.append(resident())
        return super().fit(*args, **kwargs)

sizes = []
ids = [f"item {number}" for number in range(100_000)]
rows = {
    "item_id": np.array(ids, object)[:: 200],
    "rating": np.tile(np.array([1.0, 5.0], np.float32), 250),
}
features = {"item_id": rk.layers.IdEmbedding(ids, 8)}
space = {"tower_width": (2, 32), "learning_rate": (0.001, 0.1), "batch_size": 4096}
hypermodel = Measured(features, label="rating", space=space)
rk.tuning.search(
    hypermodel, rows, directory=sys.argv[1], max_trials=14, epochs=1, verbose=0
)
print(json.dumps(sizes))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_trials(tmp_path, warm_python):
    command = [*warm_python, "-c", SCRIPT, str(tmp_path / "search")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    sizes = json.loads(done.stdout.splitlines()[-1])
    assert len(sizes) == 15  # with the best model's
    # Per trial, a leaked vocabulary takes 7 MB, leaked embeddings with their optimizer 6 MB,
    # a leaked graph 3 MB.
    grown = max(sizes[10:14]) - max(sizes[3:7])
    assert grown < 10e6, [round(size / 1e6) for size in sizes]
