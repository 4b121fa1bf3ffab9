import dataclasses

import numpy as np
import pytest
import rankkit as rk
from rankkit.plots.evaluation import calibration_figure


def lines_of(figure):
    [axes] = figure.axes
    return axes, {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}


def test_labels_stand_against_predictions_beside_the_diagonal(diagnosis):
    axes, lines = lines_of(calibration_figure(diagnosis))
    assert lines["model"] == [[1.4, 1.2], [1.6, 1.8]]
    assert lines["biases"] == [[1.3, 1.3]]
    # From 1.2 to 1.8, and 0.05 of that on either side.
    assert np.ravel(lines["calibrated"]) == pytest.approx([1.17, 1.17, 1.83, 1.83])
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((1.17, 1.83))
    assert axes.get_xlabel() == "mean predicted user rating"
    assert axes.get_ylabel() == "mean user rating"
    assert [text.get_text() for text in axes.texts] == ["a dot is 7 rows"]
    assert [text.get_text() for text in axes.figure.legends[0].texts] == list(lines)


def test_bins_of_different_size_say_so(diagnosis):
    first, *rest = diagnosis.calibration
    uneven = dataclasses.replace(diagnosis, calibration=[{**first, "num_rows": 1200}, *rest])
    axes, _ = lines_of(calibration_figure(uneven))
    assert [text.get_text() for text in axes.texts] == ["a dot is 7 to 1,200 rows"]


def test_a_constant_model_is_one_dot(diagnosis, tmp_path):
    line = {"num_rows": 7, "mean_prediction": 2.0, "mean_label": 2.0}
    lines = [{"scorer": name, **line} for name in ("model", "biases")]
    constant = dataclasses.replace(diagnosis, calibration=lines)
    axes, _ = lines_of(calibration_figure(constant))
    assert axes.get_xlim() == (1.5, 2.5)
    rk.plots.calibration(constant, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
