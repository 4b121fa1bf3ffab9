import numpy as np
import pytest
from sklearn.metrics import log_loss

import rankkit as rk
from rankkit.evaluation import BiasBaseline, compare_rankings

RNG = np.random.default_rng(0)
ROWS = {"user_id": np.repeat(np.arange(40), 5), "rating": RNG.integers(1, 6, 200)}
ROWS |= {"noise": 3 + RNG.normal(size=200), "good": ROWS["rating"] + RNG.normal(size=200)}
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


CLICKS = {"user_id": ROWS["user_id"], "click": (ROWS["rating"] > 3) * 1.0}
PROBABILITIES = 1 / (1 + np.exp(3 - ROWS["good"]))


def test_arrays_and_rows_without_queries_are_compared():
    scorers = {"good": PROBABILITIES, "other": np.full(200, 0.4)}
    report = compare_rankings(scorers, CLICKS, label="click", query=None)
    losses = [log_loss(CLICKS["click"], each) for each in scorers.values()]
    assert list(report.metrics) == ["log_loss", "normalized_entropy", "calibration", "global_auc"]
    assert report.metrics["log_loss"] == pytest.approx(losses[1] - losses[0])
    assert report.lines[0]["num_queries"] is None
    assert [note.split(",")[0] for note in report.notes] == [
        "The scores of 'good' and 'other' count as probabilities of 'click'"
    ]


def test_a_bias_baseline_is_not_judged_by_its_values():
    baseline = BiasBaseline(CLICKS, ["user_id"], label="click")
    report = compare_rankings({"model": baseline, "mean": PROBABILITIES}, CLICKS, label="click")
    assert not any("'model'" in note for note in report.notes)


@pytest.mark.parametrize(
    ("scorers", "note"),
    [
        ({"a": PROBABILITIES, "b": ROWS["good"] - 9}, "scores of 'b' are only an order, not pred"),
        ({"a": PROBABILITIES, "b": ROWS["good"] / 5},
         "are of different kinds, {'a': 'probability', 'b': 'estimate'}: errors and log loss"),
    ],
)  # fmt: skip
def test_metrics_that_one_scorer_lacks_are_left_out(scorers, note):
    report = compare_rankings(scorers, CLICKS, label="click", relevant=1)
    ranking = ["ndcg_at_10", "mrr", "map_at_10", "hit_rate_at_10", "auc"]
    assert list(report.metrics) == ["global_auc", *ranking]
    assert note in report.notes[0]
    assert str(report).splitlines()[-len(report.notes) :] == report.notes


def test_scores_of_rows_without_a_label_of_the_head_do_not_count():
    class Head:
        label, is_partly_labeled = "click", True

        def __call__(self, columns):
            return columns["score"]

    clicks = np.where(np.arange(200) % 3, CLICKS["click"], np.nan)
    rows = {**CLICKS, "click": clicks, "score": PROBABILITIES.astype(np.float32)}
    report = compare_rankings({"head": Head(), "same": rows["score"]}, rows, relevant=1)
    assert report.lines[0]["num_rows"] == 133
    assert report.metrics == pytest.approx(dict.fromkeys(report.metrics, 0.0))
