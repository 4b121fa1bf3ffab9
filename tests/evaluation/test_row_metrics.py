"""Metrics over rows and their intervals, compared with scikit-learn and with textbook formulas."""

import numpy as np
import pytest
from scipy.stats import rankdata
from sklearn.metrics import log_loss, roc_auc_score

import rankkit as rk

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(-1, 1.5, 600)
CLICKS = (RNG.random(600) < 1 / (1 + np.exp(-LOGITS))).astype(float)
PROBABILITIES = 1 / (1 + np.exp(-0.7 * LOGITS))
ROWS = {"user_id": np.repeat(np.arange(60), 10), "click": CLICKS}


def line(scores, rows=ROWS, **kwargs):
    kwargs = {"query": None, "label": "click", "relevant": 1, **kwargs}
    return rk.evaluate_ranking(scores, rows, train=rows, **kwargs).lines[0]


@pytest.mark.parametrize("query", [None, "user_id"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_metrics_equal_those_of_scikit_learn(query, dtype):
    scores = PROBABILITIES.astype(dtype)
    scores[:5], scores[5:9] = 0.0, 1.0  # whose log loss is that of the nearest number
    found = line(scores, query=query)
    expected = log_loss(CLICKS, scores)
    rate = CLICKS.mean()
    entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
    assert found["log_loss"] == pytest.approx(expected, rel=1e-6)
    assert found["normalized_entropy"] == pytest.approx(expected / entropy, rel=1e-6)
    assert found["calibration"] == pytest.approx(scores.sum() / CLICKS.sum(), rel=1e-6)
    assert found["global_auc"] == pytest.approx(roc_auc_score(CLICKS, scores), abs=1e-12)


def test_auc_with_ties_equals_that_of_scikit_learn():
    scores = LOGITS.round()
    assert line(scores)["global_auc"] == pytest.approx(roc_auc_score(CLICKS, scores), abs=1e-12)


def half_width(found, name):
    return (found[f"{name}_high"] - found[f"{name}_low"]) / 2


def test_interval_of_the_auc_is_that_of_delong():
    clicked, other = LOGITS[CLICKS == 1], LOGITS[CLICKS == 0]
    wins = (clicked[:, None] > other) + 0.5 * (clicked[:, None] == other)
    variance = wins.mean(1).var(ddof=1) / len(clicked) + wins.mean(0).var(ddof=1) / len(other)
    found = line(LOGITS, num_bootstrap=5000)
    assert half_width(found, "global_auc") == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)


@pytest.mark.parametrize("query", [None, "user_id"])
def test_intervals_equal_those_of_a_bootstrap_of_the_metrics_themselves(query):
    # Users differ, so that intervals over users are wider than those over rows.
    effects = np.repeat(np.random.default_rng(2).normal(0, 1.5, 60), 10)
    rng = np.random.default_rng(1)
    clicks = (rng.random(600) < 1 / (1 + np.exp(-LOGITS - effects))).astype(float)
    found = line(PROBABILITIES, {**ROWS, "click": clicks}, query=query, num_bootstrap=4000)
    units = ROWS["user_id"] if query else np.arange(600)
    rows_of = [np.flatnonzero(units == unit) for unit in np.unique(units)]
    losses = -np.log(np.where(clicks == 1, PROBABILITIES, 1 - PROBABILITIES))
    samples = []
    for _ in range(1000):
        chosen = rng.integers(len(rows_of), size=len(rows_of))
        rows = np.concatenate([rows_of[unit] for unit in chosen])
        y, p, rate = clicks[rows], PROBABILITIES[rows], clicks[rows].mean()
        entropy = -rate * np.log(rate) - (1 - rate) * np.log(1 - rate)
        loss, num_clicks = losses[rows].mean(), y.sum()
        # The statistic of Mann and Whitney.
        wins = rankdata(p)[y == 1].sum() - num_clicks * (num_clicks + 1) / 2
        auc = wins / num_clicks / (len(rows) - num_clicks)
        samples.append((loss, loss / entropy, p.sum() / num_clicks, auc))
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    names = ["log_loss", "normalized_entropy", "calibration", "global_auc"]
    widths = [half_width(found, name) for name in names]
    np.testing.assert_allclose(widths, (high - low) / 2, rtol=0.1)


def test_many_rows_are_resampled_in_random_blocks():
    rng = np.random.default_rng(0)
    rows = {"click": np.sort(rng.random(50_000) < 0.1) * 1.0}
    found = line(np.full(50_000, 0.1), rows, num_bootstrap=2000)
    # The log loss of a constant is linear in the label: its standard error is known.
    spread = (np.log(0.9) - np.log(0.1)) * rows["click"].std() / np.sqrt(50_000)
    assert half_width(found, "log_loss") == pytest.approx(1.96 * spread, rel=0.05)
    assert found == line(np.full(50_000, 0.1), rows, num_bootstrap=2000)


def test_labels_between_0_and_1_have_a_log_loss_after_a_cross_entropy():
    class Scorer:
        score_kind, label = "logit", "click"

        def __call__(self, columns):
            return columns["score"]

    labels, logits = np.array([0.2, 0.9, 0.5]), np.array([-1.0, 2.0, 0.3], np.float32)
    p = 1 / (1 + np.exp(-logits.astype(float)))
    found = line(Scorer(), {"click": labels, "score": logits})
    expected = -np.mean(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    assert found["log_loss"] == pytest.approx(expected)
    assert "global_auc" not in found
