import dataclasses

import numpy as np
import pytest
import rankkit as rk
from matplotlib.patches import StepPatch
from rankkit.plots.evaluation import predicted_against_true_figure


def stairs(axes):
    return {patch.get_label(): patch for patch in axes.patches if isinstance(patch, StepPatch)}


def test_each_true_rating_has_a_histogram_in_percent(diagnosis):
    panels = predicted_against_true_figure(diagnosis).axes
    assert [axes.get_ylabel() for axes in panels] == ["true 1\n4 rows", "true 2\n10 rows"]
    found = [
        {label: np.asarray(patch.get_data()[0]).tolist() for label, patch in stairs(axes).items()}
        for axes in panels
    ]
    assert found == [
        {"model": [25, 50, 25], "biases": [0, 75, 25]},
        {"model": [0, 50, 50], "biases": [0, 0, 100]},
    ]
    assert np.asarray(stairs(panels[0])["model"].get_data()[1]).tolist() == [0, 1, 2, 3]
    assert panels[-1].get_xlabel() == "predicted user rating"
    assert panels[0].get_ylim() == panels[1].get_ylim()  # to be compared


def test_the_true_rating_and_the_mean_are_marked(diagnosis):
    figure = predicted_against_true_figure(diagnosis)
    true, mean = figure.axes[1].lines[:2]
    assert np.asarray(true.get_xdata()).tolist() == [2, 2]
    assert np.asarray(mean.get_xydata()).tolist() == [[1, 0]]
    legend = sorted(text.get_text() for text in figure.legends[0].texts)
    assert legend == ["biases", "mean prediction", "model", "true user rating"]


def test_a_mean_beyond_the_picture_is_at_its_edge(diagnosis):
    lines = [{**line, "mean_prediction": 99.0} for line in diagnosis.histograms]
    wild = dataclasses.replace(diagnosis, histograms=lines)
    _, mean = predicted_against_true_figure(wild).axes[1].lines[:2]
    assert np.asarray(mean.get_xydata()).tolist() == [[3, 0]]


def test_a_group_of_labels_is_named_by_its_ends(diagnosis):
    lines = [{**line, "high": line["low"] + 0.5} for line in diagnosis.histograms]
    grouped = dataclasses.replace(diagnosis, histograms=lines)
    axes = predicted_against_true_figure(grouped).axes[0]
    assert axes.get_ylabel() == "true 1 to 1.5\n4 rows"
    assert [np.asarray(line.get_xdata())[0] for line in axes.lines[:2]] == [1, 1.5]


def test_one_true_rating_is_enough(diagnosis, tmp_path):
    one = dataclasses.replace(diagnosis, histograms=diagnosis.histograms[:2])
    rk.plots.predicted_against_true(one, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["predicted_against_true", "calibration", "error_by_count"])
def test_what_is_no_diagnosis_is_refused(name, tmp_path):
    message = r"diagnosis must be a rankkit.evaluation.Diagnosis. Got: .* Call rankkit.evaluation"
    with pytest.raises(TypeError, match=message):
        getattr(rk.plots, name)({"rmse": 1.0}, tmp_path / "model.png")
