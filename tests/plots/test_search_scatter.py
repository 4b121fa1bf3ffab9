from typing import Any

import numpy as np
import pytest
import rankkit as rk
from rankkit.plots.search import Trials
from rankkit.plots.search import search_scatter_figure


def draw(trials, x="learning_rate", y="tower_width", direction="min"):
    """Axes, colorbar's axes, and the marks by label."""
    axes, bar = search_scatter_figure(Trials(trials, direction), x, y).axes
    marks = {str(marks.get_label()): marks for marks in axes.collections}
    dots: Any = next(marks for marks in axes.collections if marks.get_array() is not None)
    return axes, bar, dots, marks


def test_dots_stand_at_the_values_the_best_on_top(trials):
    _, _, dots, _ = draw(trials)
    assert np.asarray(dots.get_array()).tolist() == [1e6, 1.3, 1.2, 1.1, 1.0, 0.9]
    assert np.asarray(dots.get_offsets()).tolist() == [
        [0.5, 128], [0.001, 32], [0.2, 256], [0.01, 512], [0.1, 64], [0.05, 128]
    ]  # fmt: skip


def test_the_best_has_a_ring_and_failures_a_cross(trials):
    axes, _, _, marks = draw(trials)
    assert np.asarray(marks["best: 0.9"].get_offsets()).tolist() == [[0.05, 128]]
    assert np.asarray(marks["failed"].get_offsets()).tolist() == [[1.0, 512]]
    assert [text.get_text() for text in axes.figure.legends[0].texts] == ["failed", "best: 0.9"]


def test_axes_have_names_and_scales(trials):
    axes, bar, _, _ = draw(trials)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "tower width")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["32", "64", "128", "256", "512"]
    assert bar.get_ylabel() == "score"


def test_colors_span_the_scores_shown_and_the_colorbar_says_so(trials):
    _, _, dots, _ = draw(trials)
    assert (dots.norm.vmin, dots.norm.vmax) == (0.9, 1.3)
    assert dots.colorbar.extend == "max"
    _, _, dots, _ = draw([row for row in trials if row["score"] != 1e6])
    assert dots.colorbar.extend == "neither"


def test_higher_scores_can_be_the_better_ones(trials, maximized):
    _, _, dots, marks = draw(maximized, direction="max")
    assert dots.colorbar.extend == "min"
    assert np.asarray(marks["best: -0.9"].get_offsets()).tolist() == [[0.05, 128]]
    darkness = [rgba[:3].sum() for rgba in dots.to_rgba(np.array([-0.9, -1.1, -1.3]))]
    assert darkness == sorted(darkness)  # the best is the darkest


def test_text_has_a_place_for_each_value(trials):
    axes, _, dots, _ = draw(trials, x="optimizer", y="learning_rate")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["adagrad", "adam"]
    assert np.asarray(dots.get_offsets())[:, 0].tolist() == [0, 0, 1, 1, 1, 0]


def test_trials_without_one_of_the_two_are_left_out(trials):
    for row in trials[4:]:
        del row["learning_rate"]
    _, _, dots, marks = draw(trials)
    assert np.asarray(dots.get_array()).tolist() == [1.3, 1.1, 1.0]
    assert np.asarray(marks["best: 1"].get_offsets()).tolist() == [[0.1, 64]]


def test_the_hyperparameters_are_arguments(trials, tmp_path):
    rk.plots.search_scatter(trials, tmp_path / "one.svg", x="optimizer", y="batch_size")
    svg = (tmp_path / "one.svg").read_text()
    assert "<!-- batch size -->" in svg
    assert "<!-- learning rate -->" not in svg


@pytest.mark.parametrize("side", ["x", "y"])
@pytest.mark.parametrize("name", ["learning_rat", "score", "tuner/epochs"])
def test_an_unknown_hyperparameter_is_named(trials, tmp_path, side, name):
    message = f"Unknown hyperparameter '{name}'. Known: 'tower_width', 'learning_rate', "
    with pytest.raises(ValueError, match=message):
        rk.plots.search_scatter(trials, tmp_path / "search.png", **{side: name})


def test_hyperparameters_that_no_completed_trial_shares_are_named(trials, tmp_path):
    for number, row in enumerate(trials):
        del row["tower_width" if number % 2 else "learning_rate"]
    trials[2] |= {"tower_width": 64, "learning_rate": 0.1}  # it failed
    message = r"x and y must be .* Got: x and y=\('learning_rate', 'tower_width'\). No completed"
    with pytest.raises(ValueError, match=message):
        rk.plots.search_scatter(trials, tmp_path / "search.png")
