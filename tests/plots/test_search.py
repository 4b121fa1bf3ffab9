from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from rankkit.plots import parallel_coordinates, search_history, search_scatter
from rankkit.plots.search import Trials

PLOTS = [search_history, search_scatter, parallel_coordinates]
NAMES = ["tower width", "learning rate", "optimizer", "score"]


def trials_with(scores, direction="min"):
    return Trials([{"score": score} for score in scores], direction)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].texts]


# --- Trials and arguments of all plots ---


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ([1.0, 1.1, 1.2, 1e6], (1.0, 1.2)),
        ([1.0, 1.1, 1e6], (1.0, 1.1)),
        ([1.0, 1.0, 1.0, 1.1, 1e6], (1.0, 1.1)),  # ties with the best do not count as gaps
        ([1.0, 1.1, 1.2, 1e6, 1e7], (1.0, 1.2)),  # half of the gaps are far
        ([1.0, 2.0, 4.0, 9.0], (1.0, 9.0)),
        ([0.0, 1.0, 10.0], (0.0, 10.0)),  # exactly ten times the median gap of 1
        ([0.0, 1.0, 10.5], (0.0, 1.0)),
        ([1.0, 1e6], (1.0, 1e6)),  # either of two could be the outlier
        ([-1e6, 1.0, 1.1], (-1e6, 1.1)),  # the best score is always shown
        ([2.0, 2.0], (2.0, 2.0)),
        ([2.0], (2.0, 2.0)),
    ],
)
def test_far_worse_scores_are_outliers(scores, shown):
    low, high = shown
    for order in (scores, scores[::-1]):
        trials = trials_with([None, *order])
        assert (trials.scale.low, trials.scale.high) == shown
        assert trials.is_outlier.tolist() == [False, *(score > high for score in order)]
    negated = trials_with([-score for score in scores], "max")
    assert (negated.scale.low, negated.scale.high) == (-high, -low)
    assert negated.is_outlier.tolist() == [score > high for score in scores]


def test_scores_that_are_not_finite_are_failures():
    trials = trials_with([None, float("nan"), 0.5, float("inf"), np.float32(0.25)])
    assert trials.is_failed.tolist() == [True, True, False, True, False]
    assert trials.best_first == [4, 2]
    assert trials_with([0.5, None, 0.25], "max").best_first == [0, 2]


def test_the_first_of_equal_scores_is_the_best():
    even, odd = list(range(0, 100, 2)), list(range(1, 100, 2))
    for direction, best_first in (("min", even + odd), ("max", odd + even)):
        assert trials_with([0.25, 0.5] * 50, direction).best_first == best_first


def test_hyperparameters_are_the_keys_that_are_not_results(trials):
    names = ["tower_width", "learning_rate", "optimizer", "batch_size"]
    assert Trials(trials, "min").hyperparameters == names
    trials[3]["l2"] = 0.1
    assert Trials(trials, "min").hyperparameters == [*names, "l2"]
    assert Trials(trials, "min").values("l2") == [None, None, None, 0.1, None, None, None]


@pytest.mark.parametrize("plot", PLOTS)
def test_invalid_trials_raise_and_write_no_file(plot, trials, tmp_path):
    path = tmp_path / "search.png"
    with pytest.raises(ValueError, match=r"trials must be .*at least one trial. Got: trials=\[\]"):
        plot([], path)
    with pytest.raises(TypeError, match="trials must be a list of dicts. Got: .*`trials` of the"):
        plot({"score": 1.0}, path)
    with pytest.raises(TypeError, match=r"trials must be a list of dicts. Got: trials=\[0.9\]"):
        plot([0.9], path)
    failed = [row | {"score": None, "message": "NaN loss"} for row in trials]
    with pytest.raises(ValueError, match="one trial that has a score. Got: .*failed with: NaN los"):
        plot(failed, path)
    with pytest.raises(ValueError, match="Unknown direction 'mni'. Known: .*Did you mean 'min'?"):
        plot(trials, path, direction="mni")
    assert not path.exists()


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("scores", ["distinct", "equal", "one failed"])
def test_plots_are_written(plot, scores, trials, tmp_path):
    if scores == "equal":
        trials = [row | {"score": 0.5} for row in trials]
    if scores == "one failed":  # and the other one has the only score
        trials = trials[1:3]
    plot(trials, tmp_path / "search.png")
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")


# --- parallel_coordinates ---


def draw_parallel(draw, trials, direction="min"):
    """The axes of the lines, the axes of each hyperparameter and the score, and the lines."""
    host, *axes = draw(parallel_coordinates, trials, direction=direction).axes
    return host, axes, [line for line in host.lines if line.get_color() != "white"]


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def values_at(axes, line):
    """The values at which a line crosses the axes."""
    heights = line.axes.transData.transform(line.get_xydata())[:, 1]
    pairs = zip(axes, heights, strict=True)
    return [float(each.transData.inverted().transform((0, height))[1]) for each, height in pairs]


def test_each_varying_hyperparameter_and_the_score_have_an_axis(draw, trials):
    host, axes, _ = draw_parallel(draw, trials)
    assert tick_labels(host.xaxis) == NAMES
    assert [each.get_yscale() for each in axes] == ["log", "log", "linear", "linear"]
    assert tick_labels(axes[0].yaxis) == ["32", "64", "128", "256", "512"]
    assert tick_labels(axes[2].yaxis) == ["adagrad", "adam"]
    positions = [each.spines["left"].get_position() for each in axes[:3]]
    assert positions == [("axes", pytest.approx(each)) for each in (0, 1 / 3, 2 / 3)]
    assert axes[3].spines["right"].get_position() == ("axes", 1)


def test_each_line_crosses_the_axes_at_the_values_of_its_trial(draw, trials):
    _, axes, lines = draw_parallel(draw, [row | {"score": 0.5} for row in trials])
    assert [values_at(axes, line)[-1] for line in lines] == pytest.approx([0.5] * 7)
    _, axes, lines = draw_parallel(draw, trials)
    failed, diverged, *worst_first, _arrow = lines
    values = [values_at(axes, line) for line in worst_first]
    expected = [
        [32, 0.001, 0, 1.3], [256, 0.2, 1, 1.2], [512, 0.01, 1, 1.1], [64, 0.1, 1, 1.0],
        [128, 0.05, 0, 0.9],
    ]  # fmt: skip
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(values_at(axes, failed), [512, 1.0, 1, np.nan], atol=1e-9)
    np.testing.assert_allclose(values_at(axes, diverged)[:3], [128, 0.5, 0], atol=1e-9)


def test_lines_are_colored_by_score_and_the_best_is_thicker_and_on_top(draw, trials):
    host, _, lines = draw_parallel(draw, trials)
    *others, best, _arrow = lines
    assert best.get_label() == "best: 0.9"
    assert best.get_linewidth() > max(line.get_linewidth() for line in others)
    assert max(line.get_zorder() for line in lines) == best.get_zorder()  # the last one is on top
    assert legend(host.figure) == ["failed", "best: 0.9", "outlier (worst: 1e+06)"]
    _failed, *completed, arrow = lines
    brightness = [sum(to_rgb(line.get_color())) for line in completed]
    assert brightness == sorted(brightness, reverse=True)  # worst first, the best is the darkest
    assert len(set(brightness)) == 5  # of six trials: the outlier has the color of the worst one
    assert arrow.get_color() == completed[0].get_color()


def test_lines_to_outliers_end_in_an_arrow(draw, trials, negated_trials):
    for rows, direction, marker, edge in ((trials, "min", "^", 1), (negated_trials, "max", "v", 0)):
        host, _, lines = draw_parallel(draw, rows, direction)
        _failed, diverged, *_, arrow = lines
        assert arrow.get_marker() == marker
        end = [3, host.get_ylim()[edge]]
        assert np.asarray(diverged.get_xydata())[-1].tolist() == end
        assert np.asarray(arrow.get_xydata()).tolist() == [end]


def test_a_line_has_a_gap_where_the_trial_lacks_a_hyperparameter(draw, trials):
    del trials[5]["learning_rate"]
    _, axes, lines = draw_parallel(draw, trials)
    [best] = [line for line in lines if line.get_label() == "best: 0.9"]
    np.testing.assert_allclose(values_at(axes, best), [128, np.nan, 0, 0.9], atol=1e-9)


def test_only_hyperparameters_with_several_values_have_an_axis(draw, trials):
    trials[3]["l2"] = 0.1  # the other trials have none
    host, _, _ = draw_parallel(draw, trials)
    assert tick_labels(host.xaxis) == NAMES
    rows = [{"score": row["score"], "optimizer": row["optimizer"]} for row in trials]
    host, axes, _ = draw_parallel(draw, rows)
    assert tick_labels(host.xaxis) == ["optimizer", "score"]
    assert len(axes) == 2


def test_trials_without_a_varying_hyperparameter_raise(trials, tmp_path):
    message = r"differ in at least one hyperparameter, but .*'tower_width': 32.*search_history"
    for rows in ([trials[0]], [trials[0], trials[0]]):
        with pytest.raises(ValueError, match=message):
            parallel_coordinates(rows, tmp_path / "search.png")


# --- search_history ---


def draw_history(draw, trials, direction="min"):
    [axes] = draw(search_history, trials, direction=direction).axes
    points = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    return axes, points


def test_each_trial_has_a_marker(draw, trials):
    axes, points = draw_history(draw, trials)
    labels = ["trial", "best so far", "outlier (worst: 1e+06)", "failed"]
    assert list(points) == legend(axes.figure) == labels
    assert points["trial"] == [[0, 1.3], [1, 1.0], [3, 1.1], [5, 0.9], [6, 1.2]]
    assert points["failed"] == [[2, 1.0]]  # y is a fraction of the height of the axes
    assert points["outlier (worst: 1e+06)"] == [[4, 0.96]]
    *_, outlier, failed = axes.lines
    assert outlier.get_transform() == failed.get_transform() == axes.get_xaxis_transform()
    _, points = draw_history(draw, [trials[0]])  # neither failures nor outliers
    assert points == {"trial": [[0, 1.3]], "best so far": [[0, 1.3]]}


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (0, [1.3, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9]),
        (2, [np.nan, 1.1, 1.1, 0.9, 0.9]),  # the first trial has no score
    ],
)
def test_best_so_far_is_a_step_line(draw, trials, first, expected):
    axes, points = draw_history(draw, trials[first:])
    np.testing.assert_equal([score for _, score in points["best so far"]], expected)
    assert axes.lines[1].get_drawstyle() == "steps-post"


def test_history_with_higher_scores_better(draw, negated_trials):
    _, points = draw_history(draw, negated_trials, "max")
    assert [score for _, score in points["best so far"]] == [-1.3, -1, -1, -1, -1, -0.9, -0.9]
    assert points["failed"] == [[2, 0.0]]
    assert points["outlier (worst: -1e+06)"] == [[4, 0.04]]


# --- search_scatter ---


def draw_scatter(draw, trials, **kwargs):
    """The axes, those of the color bar, the points, and the markers by label."""
    axes, colorbar = draw(search_scatter, trials, **kwargs).axes
    markers = {str(each.get_label()): each for each in axes.collections}
    points: Any = next(each for each in axes.collections if each.get_array() is not None)
    return axes, colorbar, points, markers


def test_points_are_at_the_values_with_the_best_on_top_in_a_ring(draw, trials):
    axes, colorbar, points, markers = draw_scatter(draw, trials)
    assert np.asarray(points.get_array()).tolist() == [1e6, 1.3, 1.2, 1.1, 1.0, 0.9]
    assert np.asarray(points.get_offsets()).tolist() == [
        [0.5, 128], [0.001, 32], [0.2, 256], [0.01, 512], [0.1, 64], [0.05, 128]
    ]  # fmt: skip
    assert np.asarray(markers["best: 0.9"].get_offsets()).tolist() == [[0.05, 128]]
    assert np.asarray(markers["failed"].get_offsets()).tolist() == [[1.0, 512]]
    assert legend(axes.figure) == ["failed", "best: 0.9"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "tower width")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert tick_labels(axes.yaxis) == ["32", "64", "128", "256", "512"]
    assert colorbar.get_ylabel() == "score"


def test_colors_span_the_scores_without_outliers(draw, trials):
    _, _, points, _ = draw_scatter(draw, trials)
    assert (points.norm.vmin, points.norm.vmax) == (0.9, 1.3)
    assert points.colorbar.extend == "max"
    _, _, points, _ = draw_scatter(draw, [row for row in trials if row["score"] != 1e6])
    assert points.colorbar.extend == "neither"


def test_scatter_with_higher_scores_better(draw, negated_trials):
    _, _, points, markers = draw_scatter(draw, negated_trials, direction="max")
    assert points.colorbar.extend == "min"
    assert np.asarray(markers["best: -0.9"].get_offsets()).tolist() == [[0.05, 128]]
    brightness = [rgba[:3].sum() for rgba in points.to_rgba(np.array([-0.9, -1.1, -1.3]))]
    assert brightness == sorted(brightness)  # the best is the darkest


def test_text_values_are_evenly_spaced(draw, trials):
    axes, _, points, _ = draw_scatter(draw, trials, x="optimizer", y="learning_rate")
    assert tick_labels(axes.xaxis) == ["adagrad", "adam"]
    assert np.asarray(points.get_offsets())[:, 0].tolist() == [0, 0, 1, 1, 1, 0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer", "learning rate")


def test_trials_without_one_of_the_two_hyperparameters_are_left_out(draw, trials):
    for row in trials[4:]:
        del row["learning_rate"]
    _, _, points, markers = draw_scatter(draw, trials)
    assert np.asarray(points.get_array()).tolist() == [1.3, 1.1, 1.0]
    assert np.asarray(markers["best: 1"].get_offsets()).tolist() == [[0.1, 64]]


@pytest.mark.parametrize("name", ["learning_rat", "score", "tuner/epochs"])
def test_unknown_hyperparameter_raises(trials, tmp_path, name):
    message = f"Unknown hyperparameter '{name}'. Known: 'tower_width', 'learning_rate', "
    for side in ("x", "y"):
        with pytest.raises(ValueError, match=message):
            search_scatter(trials, tmp_path / "search.png", **{side: name})


def test_hyperparameters_that_no_completed_trial_shares_raise(trials, tmp_path):
    for number, row in enumerate(trials):
        del row["tower_width" if number % 2 else "learning_rate"]
    trials[2] |= {"tower_width": 64, "learning_rate": 0.1}  # it failed
    message = "No completed trial has both .* Got: x='learning_rate', y='tower_width'. Pass two"
    with pytest.raises(ValueError, match=message):
        search_scatter(trials, tmp_path / "search.png")
