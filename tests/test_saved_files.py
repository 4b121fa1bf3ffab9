"""Files that earlier versions of rankkit have saved are loaded and score as they did."""

import importlib.metadata
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

import rankkit as rk

FOLDER = Path(__file__).parent / "saved"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
MAKE = runpy.run_path(str(FOLDER / "make.py"))


# The files are older than the checksums.
@pytest.mark.filterwarnings("ignore:.* has no checksum:UserWarning")
@pytest.mark.parametrize("name", ["model.keras", "saved_model/1", "model.tflite"])
def test_saved_model_scores_as_when_it_was_saved(name):
    scorer = rk.export.load(FOLDER / name)
    assert MAKE["scores"](scorer) == pytest.approx(EXPECTED["scores"], abs=1e-6)


def test_saved_keras_file_can_be_trained_further():
    model = rk.export.load(FOLDER / "model.keras")
    history = model.fit(rk.data.batches(MAKE["ratings"](), 64), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_completed_search_is_recognized_and_not_repeated(tmp_path):
    folder = tmp_path / "search"
    shutil.copytree(FOLDER / "search", folder)
    identity = json.loads((folder / "identity.json").read_text())
    # A search belongs to the versions that it was run with. Here only its files are tested.
    identity["code"] = {name: importlib.metadata.version(name) for name in identity["code"]}
    (folder / "identity.json").write_text(json.dumps(identity))
    journal = (folder / "journal.jsonl").read_text()

    found = MAKE["search"](folder)

    assert (folder / "journal.jsonl").read_text().startswith(journal)
    trials = [[each["trial"], each["status"], each["score"]] for each in found.trials]
    assert trials == EXPECTED["search"]["trials"]
    assert found.hyperparameters == EXPECTED["search"]["hyperparameters"]
    assert found.score == EXPECTED["search"]["score"]
