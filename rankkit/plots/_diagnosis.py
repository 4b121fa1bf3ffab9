"""What the pictures of a diagnosis share: its check, and how model and baseline look."""

from typing import Any

from rankkit._errors import wrong_type

# Of lines and dots; the baseline is behind the model.
MODEL: dict[str, Any] = {"color": "C0", "label": "model", "marker": "o", "zorder": 3}
BIASES: dict[str, Any] = {"color": "0.5", "label": "biases", "marker": "s", "linestyle": "--"}


def check_diagnosis(diagnosis: Any) -> None:
    """Refuses what `rankkit.evaluation.diagnose` does not return.

    Raises:
        TypeError: If it is anything else.
    """
    parts = ("label", "edges", "histograms", "calibration", "errors")
    if not all(hasattr(diagnosis, part) for part in parts):
        fix = "Call rankkit.evaluation.diagnose, and give what it returns."
        raise wrong_type("diagnosis", diagnosis, "a rankkit.evaluation.Diagnosis", fix)


def in_words(column: str) -> str:
    """A column's name for the label of an axis."""
    return column.replace("_", " ")
