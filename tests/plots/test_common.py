import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from rankkit.plots._common import choose_scale


KINDS = {
    "log": [[0.1, 1.0], [np.float32(1e-3), np.int64(1)]],
    "linear": [[0.1, 0.99], [-1, 100], [0.0, 0.001, 0.1]],  # 0 has no logarithm
    "category": [["adam", "adagrad"], [True, False], [8, "auto"]],
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_scale_does_not_depend_on_order_and_missing_values(kind):
    for values in KINDS[kind]:
        assert choose_scale(values).kind == kind
        assert choose_scale([None, *values[::-1], *values]).kind == kind


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([512, 32, 64, 128, 256, 32], {32: "32", 64: "64", 128: "128", 256: "256", 512: "512"}),
        (["b", "a", "c", "a"], {0: "a", 1: "b", 2: "c"}),
        ([0.25], {0.25: "0.25"}),
        *((values, {}) for values in ([256, 257, 8192], [*range(1, 40)], [0.1, 0.2])),  # overlap
    ],
)
def test_ticks_are_at_the_values_if_there_is_room(values, ticks):
    assert choose_scale(values).ticks == ticks


def test_coordinates_and_fractions_of_values():
    log, linear, text = map(choose_scale, ([0.01, 1.0], [0.0, 0.5], ["a", "b", "c"]))
    assert log.fraction(0.1) == pytest.approx(0.5)
    assert linear.fraction(0.125) == 0.25
    assert [text.fraction(each) for each in "abc"] == [0.0, 0.5, 1.0]
    assert [text.coordinate(each) for each in "abc"] == [0.0, 1.0, 2.0]
    assert math.isnan(log.fraction(None))
    assert math.isnan(text.coordinate(None))
    assert choose_scale([7]).fraction(7) == 0.5
    assert math.isnan(choose_scale([7]).fraction(None))


def test_limits_have_a_margin_relative_to_the_range():
    assert choose_scale([0.01, 1.0]).limits(0.5) == pytest.approx((0.001, 10.0))
    assert choose_scale([0.0, 0.5]).limits(0.1) == pytest.approx((-0.05, 0.55))
    assert choose_scale([7]).limits(0.1) == (6.5, 7.5)


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0013, 0.85], ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]),
        ([1e-6, 1e-2], ["1e-06", "1e-05", "0.0001", "0.001", "0.01"]),
        ([32, 64, 512], ["32", "64", "512"]),
        ([256, 257, 8192], ["500", "1000", "2000", "5000"]),
        (["adam", "sgd"], ["adam", "sgd"]),
    ],
)
@pytest.mark.parametrize("side", ["x", "y"])
def test_tick_labels_are_plain_numbers_and_names(values, labels, side):
    figure = Figure()
    axes = figure.subplots()
    scale = choose_scale(values)
    scale.apply(axes, side, margin=0.01)
    figure.draw_without_rendering()
    axis = axes.xaxis if side == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in ticks] == labels
    assert axis.get_scale() == ("log" if scale.kind == "log" else "linear")
    assert len(axis.get_minorticklocs()) == 0


def test_many_integers_have_integer_ticks():
    axes = Figure(figsize=(30, 4)).subplots()
    choose_scale(list(range(10, 30))).apply(axes, "x", margin=0.0)
    assert all(tick.is_integer() for tick in map(float, axes.get_xticks()))
