from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from rankkit.plots import additive_terms


def term(values, std, slope=2.0):
    values = np.sort(np.asarray(values, np.float32))
    contributions = np.where(np.isnan(values), -9.0, slope * values)
    return SimpleNamespace(values=values, contributions=contributions, std=std)


@pytest.fixture
def terms():
    skewed = [*np.linspace(0, 1, 999), 1e6]
    many = np.linspace(0, 5, 100_000)
    with_missing = [1.0, 2.0, 2.0, np.nan]
    stds = {"price": 0.5, "clicks": 3.0, "age": 2.0, "constant": 0.0}
    values = [with_missing, skewed, many, [4.0, 4.0]]
    return {name: term(each, std) for (name, std), each in zip(stds.items(), values, strict=True)}


def panels(figure):
    """The panels of a figure by title, and the histogram of each."""
    shown = [each for each in figure.axes if each.get_title(loc="left")]
    histograms = [each for each in figure.axes if each.patches]
    pairs = zip(shown, histograms, strict=True)
    return {axes.get_title(loc="left"): (axes, histogram) for axes, histogram in pairs}


def curve(axes):
    return next(line.get_xydata() for line in axes.lines if line.get_zorder() == 3)


def test_the_most_important_columns_come_first(draw, terms):
    figure = draw(additive_terms, terms)
    found = panels(figure)
    assert list(found) == ["clicks", "age", "price", "constant"]
    texts = [axes.texts[0].get_text() for axes, _ in found.values()]
    assert texts == ["std 3.00", "std 2.00", "std 0.50", "std 0.00"]
    assert len({axes.get_ylim() for axes, _ in found.values()}) == 1
    assert figure.get_suptitle() == "What each column adds to the score"
    figure = draw(additive_terms, terms, max_terms=2)
    assert list(panels(figure)) == ["clicks", "age"]
    assert "(the 2 most important of 4)" in figure.get_suptitle()


def test_curves_leave_out_extreme_values_and_thin_out_many(draw, terms):
    found = panels(draw(additive_terms, terms))
    xy = curve(found["clicks"][0])
    assert xy[-1, 0] < 1  # not 1e6
    np.testing.assert_allclose(xy[:, 1], 2 * xy[:, 0])
    xy = curve(found["age"][0])
    assert len(xy) == 1000
    assert xy[[0, -1], 0] == pytest.approx([0.025, 4.975], abs=1e-3)
    assert curve(found["constant"][0]).tolist() == [[4, 8]]


def test_missing_values_are_a_dashed_line(draw, terms):
    axes, histogram = panels(draw(additive_terms, terms))["price"]
    assert curve(axes).tolist() == [[1, 2], [2, 4]]
    [text] = axes.get_legend().get_texts()
    assert text.get_text() == "missing (25%)"
    [line] = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert line.get_ydata()[0] == -9
    heights = histogram.patches[0].get_data().values
    assert heights[[0, -1]] == pytest.approx([1, np.sqrt(2)])  # one row of 1, two of 2
    only = draw(additive_terms, {"price": term([np.nan, np.nan], 0.0)})
    assert [axes.get_title(loc="left") for axes in only.axes] == ["price"]


@pytest.mark.parametrize("count", [1, 5, 46])
def test_plots_of_any_number_of_columns_are_written(count, tmp_path):
    names = [f"column {number} with a name that is longer than a panel" for number in range(count)]
    additive_terms({name: term([1, 2, 3], 1.0) for name in names}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("std", "text"), [(1234.5, "std 1234"), (0.0123, "std 0.0123"), (0, "std 0.0")]
)
def test_standard_deviations_have_three_digits(draw, std, text):
    [axes, _] = draw(additive_terms, {"price": term([1, 2], std)}).axes
    assert axes.texts[0].get_text() == text


def test_invalid_arguments_raise(terms, tmp_path):
    path = tmp_path / "plot.png"
    fix = "Pass the result of rankkit.evaluation.additive_terms"
    with pytest.raises(TypeError, match=f"terms must be a dict of terms. Got: .* {fix}"):
        additive_terms(cast(Any, [1, 2]), path)
    with pytest.raises(TypeError, match=rf"terms\['a'\] must be a rankkit.eval.* {fix}"):
        additive_terms({"a": 1.0}, path)
    with pytest.raises(ValueError, match="terms must be a dict with at least one term"):
        additive_terms({}, path)
    with pytest.raises(ValueError, match="max_terms must be an integer of at least 1"):
        additive_terms(terms, path, max_terms=0)
