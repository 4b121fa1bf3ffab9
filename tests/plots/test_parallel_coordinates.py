import numpy as np
import pytest
import rankkit as rk
from matplotlib.colors import to_rgb
from rankkit.plots.search import Trials
from rankkit.plots.search import parallel_coordinates_figure

NAMES = ["tower width", "learning rate", "optimizer", "score"]


def draw(trials, direction="min"):
    """The axes under the lines, those of each step, and the lines that have a colour."""
    host, *steps = parallel_coordinates_figure(Trials(trials, direction)).axes
    lines = [line for line in host.lines if line.get_color() != "white"]
    return host, steps, lines


def labels_of(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def values_on(steps, line):
    """What a reader sees: the values at which a line passes the axes."""
    host = line.axes
    heights = host.transData.transform(line.get_xydata())[:, 1]
    pairs = zip(steps, heights, strict=True)
    return [float(axes.transData.inverted().transform((0, height))[1]) for axes, height in pairs]


def test_there_is_an_axis_for_all_that_varies_and_the_score(trials):
    host, steps, _ = draw(trials)
    assert [label.get_text() for label in host.get_xticklabels()] == NAMES
    assert [axes.get_yscale() for axes in steps] == ["log", "log", "linear", "linear"]
    assert labels_of(steps[0]) == ["32", "64", "128", "256", "512"]
    assert labels_of(steps[2]) == ["adagrad", "adam"]
    places = [axes.spines["left"].get_position() for axes in steps[:3]]
    assert places == [("axes", 0), ("axes", pytest.approx(1 / 3)), ("axes", pytest.approx(2 / 3))]
    assert steps[3].spines["right"].get_position() == ("axes", 1)


def test_each_line_passes_the_axes_at_the_values_of_its_trial(trials):
    _, steps, lines = draw(trials)
    failed, diverged, *worst_first, _arrow = lines
    values = [values_on(steps, line) for line in worst_first]
    expected = [
        [32, 0.001, 0, 1.3], [256, 0.2, 1, 1.2], [512, 0.01, 1, 1.1], [64, 0.1, 1, 1.0],
        [128, 0.05, 0, 0.9],
    ]  # fmt: skip
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(values_on(steps, failed), [512, 1.0, 1, np.nan], atol=1e-9)
    np.testing.assert_allclose(values_on(steps, diverged)[:3], [128, 0.5, 0], atol=1e-9)


def test_the_best_line_is_on_top_and_thicker(trials):
    host, _, lines = draw(trials)
    *others, best, _arrow = lines
    assert best.get_label() == "best: 0.9"
    assert best.get_linewidth() > max(line.get_linewidth() for line in others)
    assert max(line.get_zorder() for line in lines) == best.get_zorder()  # then the last is on top
    legend = [text.get_text() for text in host.figure.legends[0].texts]
    assert legend == ["failed", "best: 0.9", "off the scale, up to 1e+06"]


def test_lines_are_colored_by_score(trials):
    _, _, lines = draw(trials)
    failed, *completed, arrow = lines
    brightness = [sum(to_rgb(line.get_color())) for line in completed]
    assert brightness == sorted(brightness, reverse=True)  # worst first, the best the darkest
    assert len(set(brightness)) == 5  # six trials; the diverged one has the end of the colours
    assert failed.get_color() == "0.5"
    assert failed.get_linestyle() == "--"
    assert arrow.get_color() == completed[0].get_color()


@pytest.mark.parametrize(("direction", "marker", "end"), [("min", "^", 1), ("max", "v", 0)])
def test_what_is_off_the_scale_ends_in_an_arrow(trials, direction, marker, end):
    if direction == "max":
        for row in trials:
            row["score"] = None if row["score"] is None else -row["score"]
    host, steps, lines = draw(trials, direction)
    _failed, diverged, *_, arrow = lines
    assert arrow.get_marker() == marker
    edge = [3, host.get_ylim()[end]]
    assert np.asarray(diverged.get_xydata())[-1].tolist() == edge
    assert np.asarray(arrow.get_xydata()).tolist() == [edge]
    # From 0.9 to 1.3, and 0.06 of that on either side.
    shown = [0.876, 1.324] if direction == "min" else [-1.324, -0.876]
    np.testing.assert_allclose(steps[-1].get_ylim(), shown)


def test_a_line_has_a_gap_where_the_trial_lacks_a_hyperparameter(trials):
    del trials[5]["learning_rate"]
    _, steps, lines = draw(trials)
    [best] = [line for line in lines if line.get_label() == "best: 0.9"]
    np.testing.assert_allclose(values_on(steps, best), [128, np.nan, 0, 0.9], atol=1e-9)


def test_one_value_and_lacking_it_is_no_variation(trials):
    trials[3]["l2"] = 0.1
    host, _, _ = draw(trials)
    assert [label.get_text() for label in host.get_xticklabels()] == NAMES


def test_a_hyperparameter_is_enough(trials):
    rows = [{"score": row["score"], "optimizer": row["optimizer"]} for row in trials]
    host, steps, _ = draw(rows)
    assert [label.get_text() for label in host.get_xticklabels()] == ["optimizer", "score"]
    assert len(steps) == 2


def test_equal_scores_meet_in_the_middle(trials):
    _, steps, lines = draw([row | {"score": 0.5} for row in trials])
    assert [values_on(steps, line)[-1] for line in lines] == pytest.approx([0.5] * 7)


def test_trials_that_do_not_differ_are_refused(trials, tmp_path):
    message = r"differ in at least one hyperparameter. Got: .*'tower_width': 32.*search_history"
    for rows in ([trials[0]], [trials[0], trials[0]]):
        with pytest.raises(ValueError, match=message):
            rk.plots.parallel_coordinates(rows, tmp_path / "search.png")
