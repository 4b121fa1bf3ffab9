import sys

import numpy as np
import pytest
import rankkit as rk
from rankkit.plots.training import learning_curve_figure

HISTORY = {"rmse": [1.2, 1.1, 1.0], "val_rmse": [1.3, 1.25, 1.2], "loss": [2.0, 1.5, 1.0]}


def test_training_and_validation_are_drawn_by_epoch():
    [axes] = learning_curve_figure(HISTORY, "rmse").axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert list(lines) == ["training", "validation"]
    assert np.array(lines["training"].get_xdata()).tolist() == [1, 2, 3]
    assert np.array(lines["training"].get_ydata()).tolist() == HISTORY["rmse"]
    assert np.array(lines["validation"].get_ydata()).tolist() == HISTORY["val_rmse"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "rmse")


def test_a_metric_without_validation_is_one_line():
    [axes] = learning_curve_figure({"loss": [1.0]}, "loss").axes
    assert [line.get_label() for line in axes.lines] == ["training"]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_the_ending_chooses_the_kind_of_file(tmp_path):
    rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rmse")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    rk.plots.learning_curve(HISTORY, tmp_path / "curve.svg", metric="rmse")
    assert "<!-- validation -->" in (tmp_path / "curve.svg").read_text()


def test_an_unknown_metric_is_named(tmp_path):
    with pytest.raises(ValueError, match="Unknown metric 'rsme'. Known: .*Did you mean 'rmse'?"):
        rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rsme")


def test_without_matplotlib_the_extra_is_named(tmp_path, trials, diagnosis, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    draw = [rk.plots.search_history, rk.plots.search_scatter, rk.plots.parallel_coordinates]
    with pytest.raises(ImportError, match=r"pip install 'rankkit\[plots\]'"):
        rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rmse")
    for function in draw:
        with pytest.raises(ImportError, match=r"pip install 'rankkit\[plots\]'"):
            function(trials, tmp_path / "search.png")
    for name in ("calibration", "error_by_count", "predicted_against_true"):
        with pytest.raises(ImportError, match=r"pip install 'rankkit\[plots\]'"):
            getattr(rk.plots, name)(diagnosis, tmp_path / "model.png")
