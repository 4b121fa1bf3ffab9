import sys
from typing import Any

import numpy as np
import pytest
import rankkit as rk

HISTORY = {"rmse": [1.2, 1.1, 1.0], "val_rmse": [1.3, 1.25, 1.2], "loss": [2.0, 1.5, 1.0]}


def test_training_and_validation_are_plotted_by_epoch(draw):
    [axes] = draw(rk.plots.learning_curve, HISTORY, metric="rmse").axes
    lines = {line.get_label(): np.asarray(line.get_xydata()).T.tolist() for line in axes.lines}
    assert lines["training"] == [[1, 2, 3], HISTORY["rmse"]]
    assert lines["validation"] == [[1, 2, 3], HISTORY["val_rmse"]]


def test_metric_without_validation_is_one_line_with_integer_ticks(draw):
    [axes] = draw(rk.plots.learning_curve, {"loss": [1.0]}, metric="loss").axes
    assert [line.get_label() for line in axes.lines] == ["training"]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_file_suffix_selects_the_format_and_an_unknown_metric_raises(tmp_path):
    rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rmse")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    rk.plots.learning_curve(HISTORY, tmp_path / "curve.svg", metric="rmse")
    assert "<!-- validation -->" in (tmp_path / "curve.svg").read_text()
    with pytest.raises(ValueError, match="Unknown metric 'rsme'. Known: .*Did you mean 'rmse'?"):
        rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rsme")


@pytest.mark.parametrize("name", rk.plots.__all__)
def test_without_matplotlib_the_error_names_the_extra(
    name, tmp_path, trials, diagnosis, monkeypatch
):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    data: dict[str, Any] = {"learning_curve": {"root_mean_squared_error": [1.0]}}
    data["additive_terms"] = {"price": rk.evaluation.AdditiveTerm(np.ones(1), np.zeros(1), 0.0)}
    data |= dict.fromkeys(["search_history", "search_scatter", "parallel_coordinates"], trials)
    data["attention"] = np.ones((1, 1))
    names = {"history": ["Heat"], "candidates": ["Clue"]} if name == "attention" else {}
    with pytest.raises(ImportError, match=r"pip install '\.\[plots\]' in a clone"):
        getattr(rk.plots, name)(data.get(name, diagnosis), tmp_path / "plot.png", **names)
