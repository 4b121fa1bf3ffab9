"""The memory of a search does not grow with its trials."""

import json
import subprocess
import sys

SCRIPT = """
import json, os, sys
import numpy as np
import rankkit as rk

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Measured(rk.tuning.RankingHyperModel):
    def fit(self, *args, **kwargs):
        sizes.append(resident())
        return super().fit(*args, **kwargs)

sizes = []
ids = [f"item {number}" for number in range(50_000)]
rows = {
    "item_id": np.array(ids, object)[:: 100],
    "rating": np.tile(np.array([1.0, 5.0], np.float32), 250),
}
features = {"item_id": rk.layers.IdEmbedding(ids, 8)}
space = {"tower_width": (2, 32), "learning_rate": (0.001, 0.1), "batch_size": 4096}
hypermodel = Measured(features, label="rating", space=space)
rk.tuning.search(
    hypermodel, rows, directory=sys.argv[1], max_trials=24, epochs=1, verbose=0
)
print(json.dumps(sizes))
"""


def test_more_trials_take_no_more_memory(tmp_path):
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", SCRIPT, tmp_path / "search"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    sizes = json.loads(done.stdout.splitlines()[-1])
    assert len(sizes) == 25  # with the winner's
    # A table of ids that stays takes 3.6 MB a trial, an embedding with its optimizer 3.2 MB.
    grown = max(sizes[16:24]) - max(sizes[4:12])
    assert grown < 15e6, [round(size / 1e6) for size in sizes]
