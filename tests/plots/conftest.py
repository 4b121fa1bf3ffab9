"""The trials of a search, small enough to know by heart."""

import pytest

ROWS = [  # score, tower_width, learning_rate, optimizer
    (1.3, 32, 0.001, "adagrad"),
    (1.0, 64, 0.1, "adam"),
    (None, 512, 1.0, "adam"),
    (1.1, 512, 0.01, "adam"),
    (1e6, 128, 0.5, "adagrad"),
    (0.9, 128, 0.05, "adagrad"),
    (1.2, 256, 0.2, "adam"),
]


@pytest.fixture
def trials():
    """Seven trials: trial 2 failed, trial 4 diverged, trial 5 is the best."""
    return [
        {
            "trial": str(number),
            "status": "FAILED" if score is None else "COMPLETED",
            "score": score,
            "best_epoch": None if score is None else number + 1,
            "seconds": 1.5 * number,
            "worker": "tuner0",
            "message": "ResourceExhaustedError: out of memory" if score is None else None,
            "tower_width": width,
            "learning_rate": rate,
            "optimizer": optimizer,
            "batch_size": 1024,
            "tuner/epochs": number,
        }
        for number, (score, width, rate, optimizer) in enumerate(ROWS)
    ]


@pytest.fixture
def maximized(trials):
    """The same search with the sign of the scores turned: higher is better."""
    for row in trials:
        row["score"] = None if row["score"] is None else -row["score"]
    return trials
