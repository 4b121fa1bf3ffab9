import numpy as np
import pytest

import rankkit as rk
from rankkit.evaluation import compare_rankings

RNG = np.random.default_rng(0)
ROWS = {"user_id": np.repeat(np.arange(40), 5), "rating": RNG.integers(1, 6, 200)}
ROWS |= {"noise": RNG.normal(size=200), "good": ROWS["rating"] + RNG.normal(size=200)}
SCORERS = {name: lambda columns, name=name: columns[name] for name in ("noise", "good")}


def test_differences_equal_separate_evaluations():
    report = compare_rankings(SCORERS, ROWS, label="rating")
    first, second = (
        rk.evaluate_ranking(scorer, ROWS, train=ROWS, label="rating").lines[0]
        for scorer in SCORERS.values()
    )
    expected = {name: second[name] - first[name] for name in report.metrics}
    assert report.metrics == pytest.approx(expected)
    [line] = report.lines
    assert (line["rows"], line["scorer"]) == ("all", "good - noise")
    assert (line["num_rows"], line["num_queries"]) == (200, 40)
    assert 0 < line["auc_low"] < line["auc"] < line["auc_high"]


def test_bootstrap_is_paired():
    scorers = {**SCORERS, "shifted": lambda columns: columns["noise"] + 0.01}
    report = compare_rankings(scorers, ROWS, label="rating")
    line = report.lines[1]
    assert line["scorer"] == "shifted - noise"
    assert line["auc_low"] == line["auc"] == line["auc_high"] == 0.0
    assert line["rmse_high"] - line["rmse_low"] < 0.01  # 0.3 for either of the two


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"scorers": {"one": SCORERS["good"]}}, ValueError, r"scorers must be two or more. Got: "),
        ({"scorers": [*SCORERS.values()]}, TypeError, "scorers must be a dict .*Name the scorers"),
        ({"label": None}, TypeError, "label must be the name of a column.*no label of its own"),
        ({"query": "user"}, ValueError, "Unknown column 'user'.*Did you mean 'user_id'"),
        ({"k": 0}, ValueError, "k must be .* of at least 1"),
    ],
)
def test_invalid_arguments_raise(kwargs, error, message):
    with pytest.raises(error, match=message):
        compare_rankings(**{"scorers": SCORERS, "columns": ROWS, "label": "rating", **kwargs})
