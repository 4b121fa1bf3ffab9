import numpy as np
from rankkit.plots.search import Trials
from rankkit.plots.search import search_history_figure


def lines_of(trials, direction="min"):
    [axes] = search_history_figure(Trials(trials, direction)).axes
    points = {line.get_label(): np.asarray(line.get_xydata()).tolist() for line in axes.lines}
    return axes, points


def test_every_trial_has_its_mark(trials):
    axes, points = lines_of(trials)
    assert points["trial"] == [[0, 1.3], [1, 1.0], [3, 1.1], [5, 0.9], [6, 1.2]]
    assert points["failed"] == [[2, 1.0]]  # heights on the edge are shares of the picture
    assert points["off the scale, up to 1e+06"] == [[4, 0.96]]
    assert set(points) == {"trial", "best so far", "failed", "off the scale, up to 1e+06"}
    edge = {line.get_label(): line.get_transform() for line in axes.lines}
    assert edge["failed"] == axes.get_xaxis_transform()
    assert edge["off the scale, up to 1e+06"] == axes.get_xaxis_transform()
    assert [text.get_text() for text in axes.figure.legends[0].texts] == list(points)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("trial", "score")


def test_the_best_so_far_is_a_step_line(trials):
    axes, points = lines_of(trials)
    best = [score for _, score in points["best so far"]]
    assert best == [1.3, 1.0, 1.0, 1.0, 1.0, 0.9, 0.9]
    [line] = [line for line in axes.lines if line.get_label() == "best so far"]
    assert line.get_drawstyle() == "steps-post"


def test_there_is_no_best_ahead_of_the_first_score(trials):
    _, points = lines_of(trials[2:])
    best = [score for _, score in points["best so far"]]
    assert np.isnan(best[0])
    assert best[1:] == [1.1, 1.1, 0.9, 0.9]


def test_the_scale_is_that_of_the_scores_shown(trials):
    axes, _ = lines_of(trials)
    # From 0.9 to 1.3, and a tenth of that on either side.
    np.testing.assert_allclose(axes.get_ylim(), (0.86, 1.34))


def test_higher_scores_can_be_the_better_ones(maximized):
    axes, points = lines_of(maximized, "max")
    assert [score for _, score in points["best so far"]] == [-1.3, -1, -1, -1, -1, -0.9, -0.9]
    assert points["failed"] == [[2, 0.0]]
    assert points["off the scale, down to -1e+06"] == [[4, 0.04]]
    np.testing.assert_allclose(axes.get_ylim(), (-1.34, -0.86))


def test_without_failures_there_is_no_mark_for_them(trials):
    _, points = lines_of([trials[0]])
    assert points == {"trial": [[0, 1.3]], "best so far": [[0, 1.3]]}
