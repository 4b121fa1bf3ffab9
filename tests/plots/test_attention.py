from typing import Any

import numpy as np
import pytest
import rankkit as rk
from rankkit.plots import attention

HISTORY = ["Heat (1995)", "Clue (1985)", "Speed (1994)"]
WEIGHTS = [[0.0, 0.25, -0.5], [0.1, 0.0, 0.2]]
NAMES: dict[str, Any] = {"history": HISTORY, "candidates": ["Alien (1979)", "Big (1988)"]}


def texts(labels):
    return [label.get_text() for label in labels]


def test_the_most_recent_event_is_on_top_and_zero_is_white(draw):
    axes, _ = draw(attention, WEIGHTS, **NAMES).axes
    [image] = axes.images
    np.testing.assert_array_equal(image.get_array(), np.transpose(WEIGHTS)[::-1])
    assert image.get_clim() == (-0.5, 0.5)
    assert texts(axes.get_yticklabels()) == HISTORY[::-1]
    assert texts(axes.get_xticklabels()) == ["Alien (1979)", "Big (1988)"]
    minus = "\N{MINUS SIGN}"
    assert texts(axes.texts) == [f"{minus}0.50", "0.20", "0.25", "0.00", "0.00", "0.10"]
    assert "(all events)" in axes.figure.get_suptitle()


def test_the_last_events_of_a_long_history_are_shown(draw):
    figure = draw(attention, WEIGHTS, **NAMES, max_events=2)
    assert texts(figure.axes[0].get_yticklabels()) == HISTORY[:0:-1]
    assert "(the last 2 of 3 events)" in figure.get_suptitle()


def test_long_names_are_cut(draw):
    name = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963), 5 stars"
    axes = draw(attention, [[0.0]], history=[name], candidates=[name]).axes[0]
    dots = "\N{HORIZONTAL ELLIPSIS}"
    assert texts(axes.get_yticklabels()) == [f"Dr. Strangelove or: How I Le{dots}(1963), 5 stars"]
    assert texts(axes.get_xticklabels()) == [f"Dr. Strangelove\nor: How I\nLearned to{dots}"]


def test_plots_of_any_size_are_written(tmp_path):
    weights = np.ones((9, 60))
    attention(weights, tmp_path / "a.png", history=HISTORY * 20, candidates=HISTORY * 3)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_it_takes_the_result_of_the_layer(draw):
    layer = rk.layers.TargetAttention(rk.layers.IdEmbedding(HISTORY, 4), max_length=2)
    weights = layer.attention([[HISTORY] * 2, HISTORY[:2]])
    axes = draw(attention, weights, history=HISTORY, candidates=HISTORY[:2]).axes[0]
    assert axes.images[0].get_array()[-1].tolist() == [0, 0]  # before the last two events
    assert np.count_nonzero(axes.images[0].get_array()) == 4


def test_invalid_arguments_raise(tmp_path):
    path = tmp_path / "plot.png"
    for weights in ([[0.0, 1.0]], [0.0, 1.0, 2.0]):
        with pytest.raises(ValueError, match="weights must be one number for each of 2 candidates"):
            attention(weights, path, **NAMES)
    with pytest.raises(ValueError, match="at least one of each. Got: weights='shape"):
        attention([], path, history=[], candidates=[])
    with pytest.raises(ValueError, match="weights must be finite. Got: weights=nan"):
        attention([[np.nan, 0, 0], [0, 0, 0]], path, **NAMES)
    with pytest.raises(ValueError, match="max_events must be an integer of at least 1"):
        attention(WEIGHTS, path, **NAMES, max_events=0)
    with pytest.raises(TypeError, match="history must be a list of names"):
        attention(WEIGHTS, path, history="Heat", candidates=["Alien"])
