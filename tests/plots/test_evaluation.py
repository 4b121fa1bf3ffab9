import dataclasses

import numpy as np
import pytest
from matplotlib.patches import StepPatch
from rankkit.plots import calibration, error_by_count, predicted_against_true

PLOTS = [calibration, error_by_count, predicted_against_true]


def points(axes):
    return {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}


@pytest.mark.parametrize("plot", PLOTS)
def test_plots_are_written_with_a_single_bin_or_column(plot, diagnosis, tmp_path):
    line = {"num_rows": 7, "mean_prediction": 2.0, "mean_label": 2.0}
    small = dataclasses.replace(
        diagnosis,
        calibration=[{"scorer": name, **line} for name in ("model", "biases")],
        errors=[line for line in diagnosis.errors if line["column"] == "user_id"],
        histograms=diagnosis.histograms[:2],
    )
    plot(small, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("plot", PLOTS)
def test_other_objects_than_a_diagnosis_raise(plot, tmp_path):
    message = r"diagnosis must be a rankkit.evaluation.Diagnosis. Got: .* Pass the result of r"
    with pytest.raises(TypeError, match=message):
        plot({"rmse": 1.0}, tmp_path / "plot.png")


@pytest.mark.parametrize("plot", PLOTS)
def test_a_diagnosis_of_an_order_has_no_plots(plot, diagnosis, tmp_path):
    order = dataclasses.replace(diagnosis, errors=[], histograms=[], calibration=[], edges=[])
    with pytest.raises(ValueError, match="needs predictions of the label, .* are only an order"):
        plot(order, tmp_path / "plot.png")


# --- calibration ---


def test_calibration_plots_true_against_predicted_and_the_diagonal(draw, diagnosis):
    figure = draw(calibration, diagnosis)
    [axes] = figure.axes
    lines = points(axes)
    assert list(lines) == ["bias baseline", "model", "perfectly calibrated"]
    assert lines["model"] == [[1.4, 1.2], [1.6, 1.8]]
    assert lines["bias baseline"] == [[1.3, 1.3]]
    # From 1.2 to 1.8, with a margin of 0.05 of that on either side.
    diagonal = np.ravel(lines["perfectly calibrated"])
    assert diagonal == pytest.approx([1.17, 1.17, 1.83, 1.83])
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((1.17, 1.83))
    assert [each.get_text() for each in axes.texts] == ["7 examples per bin"]
    first, *rest = diagnosis.calibration
    bins = dataclasses.replace(diagnosis, calibration=[{**first, "num_rows": 1200}, *rest])
    [axes] = draw(calibration, bins).axes
    assert [each.get_text() for each in axes.texts] == ["7 to 1,200 examples per bin"]


# --- error_by_count ---


def test_error_by_count_has_a_column_of_rmse_and_mean_error_per_id(draw, diagnosis):
    figure = draw(error_by_count, diagnosis)
    y = [
        {label: np.array(values)[:, 1] for label, values in points(axes).items()}
        for axes in figure.axes
    ]
    user_rmse, item_rmse, user_mean, item_mean = y
    assert user_rmse["model"] == pytest.approx([1.00004, 1.0001])
    assert user_rmse["bias baseline"] == pytest.approx([0.9, 0.9])
    assert user_mean["model"] == pytest.approx([0.1, 0.1])
    assert user_mean["bias baseline"] == pytest.approx([-0.00004, -0.0001])
    assert item_rmse["model"] == pytest.approx([1.00001, 1.00003, 1.12345])
    assert item_mean["bias baseline"] == pytest.approx([-0.00001, -0.00003, -0.12345])
    left, right, users, items = figure.axes
    assert left.get_ylim() == right.get_ylim()  # so that they can be compared
    assert [label.get_text() for label in users.get_xticklabels()] == ["0\n(4)", "3–9\n(10)"]  # noqa: RUF001
    assert [label.get_text() for label in items.get_xticklabels()] == [
        "0\n(1)", "1–2\n(3)", "10k–30k\n(12.3k)",  # noqa: RUF001
    ]  # fmt: skip
    lines = [line for line in diagnosis.errors if line["column"] == "user_id"]
    assert len(draw(error_by_count, dataclasses.replace(diagnosis, errors=lines)).axes) == 2


# --- predicted_against_true ---


def histograms(axes):
    patches = [patch for patch in axes.patches if isinstance(patch, StepPatch)]
    return {patch.get_label(): np.asarray(patch.get_data()[0]).tolist() for patch in patches}


def test_each_true_rating_has_a_histogram_in_percent(draw, diagnosis):
    figure = draw(predicted_against_true, diagnosis)
    first, second = figure.axes
    assert first.get_ylabel() == "true 1\n4 examples"
    assert second.get_ylabel() == "true 2\n10 examples"
    assert histograms(first) == {"model": [25, 50, 25], "bias baseline": [0, 75, 25]}
    assert histograms(second) == {"model": [0, 50, 50], "bias baseline": [0, 0, 100]}
    assert first.get_ylim() == second.get_ylim()  # so that they can be compared


@pytest.mark.parametrize(("mean", "x"), [(1.0, 1), (99.0, 3)])
def test_true_rating_and_mean_prediction_are_marked_within_the_axes(draw, diagnosis, mean, x):
    lines = [{**line, "mean_prediction": mean} for line in diagnosis.histograms]
    moved = dataclasses.replace(diagnosis, histograms=lines)
    true, marker = draw(predicted_against_true, moved).axes[1].lines[:2]
    assert np.asarray(true.get_xdata()).tolist() == [2, 2]
    assert np.asarray(marker.get_xydata()).tolist() == [[x, 0]]


def test_group_of_true_ratings_is_labeled_with_its_range(draw, diagnosis):
    lines = [{**line, "high": line["low"] + 0.5} for line in diagnosis.histograms]
    grouped = dataclasses.replace(diagnosis, histograms=lines)
    axes = draw(predicted_against_true, grouped).axes[0]
    assert axes.get_ylabel() == "true 1 to 1.5\n4 examples"
    assert sorted(np.asarray(line.get_xdata())[0] for line in axes.lines[:2]) == [1, 1.5]
