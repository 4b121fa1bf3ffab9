import sys

import pytest
import rankkit as rk

HISTORY = {"rmse": [1.2, 1.1, 1.0], "val_rmse": [1.3, 1.25, 1.2], "loss": [2.0, 1.5, 1.0]}


def test_learning_curve_is_drawn(tmp_path):
    rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rmse")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    rk.plots.learning_curve({"loss": [1.0]}, tmp_path / "one.svg", metric="loss")
    svg = (tmp_path / "one.svg").read_text()
    assert svg.count("<!-- training -->") == 1
    assert "<!-- validation -->" not in svg


def test_an_unknown_metric_is_named(tmp_path):
    with pytest.raises(ValueError, match="Unknown metric 'rsme'. Known: .*Did you mean 'rmse'?"):
        rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rsme")


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'rankkit\[plots\]'"):
        rk.plots.learning_curve(HISTORY, tmp_path / "curve.png", metric="rmse")
