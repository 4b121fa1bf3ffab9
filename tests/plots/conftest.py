"""Trials of a search and a diagnosis, both tiny, and access to the figures that plots save."""

import matplotlib.figure
import pytest
import rankkit as rk

TRIALS = [  # score, tower_width, learning_rate, optimizer
    (1.3, 32, 0.001, "adagrad"),
    (1.0, 64, 0.1, "adam"),
    (None, 512, 1.0, "adam"),
    (1.1, 512, 0.01, "adam"),
    (1e6, 128, 0.5, "adagrad"),
    (0.9, 128, 0.05, "adagrad"),
    (1.2, 256, 0.2, "adam"),
]


@pytest.fixture
def draw(monkeypatch):
    """Calls a function of `rankkit.plots` and returns its figure instead of saving it."""
    figures = []
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda figure, path: figures.append(figure)
    )

    def draw(plot, data, **kwargs):
        plot(data, "figure.png", **kwargs)
        return figures.pop()

    return draw


@pytest.fixture
def trials():
    """Seven trials: trial 2 failed, trial 4 diverged, trial 5 is the best."""
    return [
        {
            "trial": str(number), "status": "FAILED" if score is None else "COMPLETED",
            "score": score, "best_epoch": None if score is None else number + 1,
            "seconds": 1.5 * number, "worker": "tuner0",
            "message": "ResourceExhaustedError: out of memory" if score is None else None,
            "tower_width": width, "learning_rate": rate, "optimizer": optimizer,
            "batch_size": 1024, "tuner/epochs": number,
        }
        for number, (score, width, rate, optimizer) in enumerate(TRIALS)
    ]  # fmt: skip


@pytest.fixture
def negated_trials(trials):
    """The same search with negated scores: higher is better."""
    return [row | {"score": None if row["score"] is None else -row["score"]} for row in trials]


def _error(column, low, high, num_rows):
    return {
        "rows": "", "column": column, "low": low, "high": high, "num_rows": num_rows,
        "rmse": 1.0 + num_rows / 1e5, "mean_error": 0.1,
        "biases_rmse": 0.9, "biases_mean_error": -num_rows / 1e5,
    }  # fmt: skip


@pytest.fixture
def diagnosis():
    """Labels 1 and 2; two ranges of counts of users, three of items."""
    histogram = [
        ("model", 1.0, [1, 2, 1]), ("biases", 1.0, [0, 3, 1]),
        ("model", 2.0, [0, 5, 5]), ("biases", 2.0, [0, 0, 10]),
    ]  # fmt: skip
    return rk.evaluation.Diagnosis(
        label="user_rating",
        edges=[0.0, 1.0, 2.0, 3.0],
        histograms=[
            {"scorer": scorer, "low": label, "high": label, "num_rows": sum(counts),
             "mean_prediction": label / 2, "counts": counts}
            for scorer, label, counts in histogram
        ],
        calibration=[
            {"scorer": scorer, "num_rows": 7, "mean_prediction": predicted, "mean_label": label}
            for scorer, predicted, label in [
                ("model", 1.4, 1.2), ("model", 1.6, 1.8), ("biases", 1.3, 1.3),
            ]
        ],
        errors=[
            _error(None, None, None, 14),
            _error("user_id", 0, 0, 4),
            _error("user_id", 3, 9, 10),
            _error("item_id", 0, 0, 1),
            _error("item_id", 1, 2, 3),
            _error("item_id", 10000, 29999, 12345),
        ],
        warnings=[],
        unchecked=[],
    )  # fmt: skip
