import numpy as np
import pytest
import rankkit as rk
from rankkit.plots.search import Trials

SEARCH_PLOTS = [rk.plots.search_history, rk.plots.search_scatter, rk.plots.parallel_coordinates]


def of_scores(scores, direction="min"):
    return Trials([{"score": score} for score in scores], direction)


@pytest.mark.parametrize(
    ("scores", "shown"),
    [
        ([1.0, 1.1, 1.2, 1e6], (1.0, 1.2)),
        ([1.0, 1.1, 1e6], (1.0, 1.1)),
        ([1.0, 1.0, 1.0, 1.1, 1e6], (1.0, 1.1)),  # the median of the gaps that there are
        ([1.0, 1.1, 1.2, 1e6, 1e7], (1.0, 1.2)),  # half of the gaps are far
        ([1.0, 2.0, 4.0, 9.0], (1.0, 9.0)),
        ([0.0, 1.0, 10.0], (0.0, 10.0)),  # ten times as far as the median gap, 1, is shown
        ([0.0, 1.0, 10.5], (0.0, 1.0)),
        ([1.0, 1e6], (1.0, 1e6)),  # nobody knows which of two is the outlier
        ([-1e6, 1.0, 1.1], (-1e6, 1.1)),  # the best one is shown whatever it is
        ([2.0, 2.0], (2.0, 2.0)),
        ([2.0], (2.0, 2.0)),
    ],
)
def test_far_worse_scores_are_off_the_scale(scores, shown):
    low, high = shown
    for order in (scores, scores[::-1]):
        trials = of_scores([None, *order])
        assert trials.shown_range == shown
        assert trials.off_scale.tolist() == [False, *(score > high for score in order)]
    turned = of_scores([-score for score in scores], "max")
    assert turned.shown_range == (-high, -low)
    assert turned.off_scale.tolist() == [score > high for score in scores]


def test_scores_that_are_not_finite_are_failures():
    trials = of_scores([None, float("nan"), 0.5, float("inf"), np.float32(0.25)])
    assert trials.failed.tolist() == [True, True, False, True, False]
    assert trials.best_first == [4, 2]
    assert of_scores([0.5, None, 0.25], "max").best_first == [0, 2]


@pytest.mark.parametrize("direction", ["min", "max"])
def test_of_equal_scores_the_first_is_the_best(direction):
    even, odd = list(range(0, 100, 2)), list(range(1, 100, 2))
    best_first = even + odd if direction == "min" else odd + even
    assert of_scores([0.25, 0.5] * 50, direction).best_first == best_first


def test_columns_of_the_table_are_no_hyperparameters(trials):
    names = ["tower_width", "learning_rate", "optimizer", "batch_size"]
    assert Trials(trials, "min").hyperparameters == names
    trials[3]["l2"] = 0.1
    assert Trials(trials, "min").hyperparameters == [*names, "l2"]
    assert Trials(trials, "min").values("l2") == [None, None, None, 0.1, None, None, None]


@pytest.mark.parametrize("draw", SEARCH_PLOTS)
def test_trials_that_cannot_be_drawn_are_refused(draw, trials, tmp_path):
    path = tmp_path / "search.png"
    with pytest.raises(ValueError, match=r"trials must be .*at least one trial. Got: trials=\[\]"):
        draw([], path)
    with pytest.raises(TypeError, match="trials must be a list of dicts. Got: .*`trials` of what"):
        draw({"score": 1.0}, path)
    with pytest.raises(TypeError, match=r"trials must be a list of dicts. Got: trials=\[0.9\]"):
        draw([0.9], path)
    failed = [row | {"score": None, "message": "NaN loss"} for row in trials]
    with pytest.raises(ValueError, match="one trial that has a score. Got: .*failed with: NaN los"):
        draw(failed, path)
    with pytest.raises(ValueError, match="one trial that has a score. Got: .*"):
        draw([{"trial": "0"}], path)
    with pytest.raises(ValueError, match="Unknown direction 'mni'. Known: .*Did you mean 'min'?"):
        draw(trials, path, direction="mni")
    assert not path.exists()


@pytest.mark.parametrize("draw", SEARCH_PLOTS)
@pytest.mark.parametrize("scores", ["as they are", "all the same", "one failed"])
def test_pictures_are_written(draw, scores, trials, tmp_path):
    if scores == "all the same":
        trials = [row | {"score": 0.5} for row in trials]
    if scores == "one failed":  # and there is but one score
        trials = trials[1:3]
    draw(trials, tmp_path / "search.png")
    assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
