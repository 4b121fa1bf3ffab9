"""Names and explanations of metrics for readers of the report."""

import dataclasses

from rankkit.evaluation.html.markup import plural


@dataclasses.dataclass(frozen=True)
class MetricText:
    """What a metric means, and which values of it are good: "lower", "higher" or "near 1"."""

    title: str
    meaning: str
    good: str

    def distance(self, value: float) -> float:
        """How far a value is from perfect, up to a constant."""
        return {"lower": value, "higher": -value, "near 1": abs(value - 1)}[self.good]


def metric_text(name: str, label: str, query: str, relevant: str) -> MetricText:
    """The texts of a metric of `rankkit.evaluate_ranking`; `query` is a noun, such as "user"."""
    users = plural(query)
    family, _, k = name.partition("_at_")
    texts = {
        "rmse": (
            "RMSE",
            f"Typical error of a prediction, in units of {label}; large errors count more.",
            "lower",
        ),
        "mae": ("MAE", f"Mean absolute error of a prediction, in units of {label}.", "lower"),
        "log_loss": (
            "Log loss",
            f"Mean penalty of the predicted probability of {label} = 1, high for confident errors.",
            "lower",
        ),
        "normalized_entropy": (
            "Normalized entropy",
            "Log loss divided by that of always predicting the mean rate of the test rows: below "
            "1, predictions tell more than the rate.",
            "lower",
        ),
        "calibration": (
            "Calibration",
            f"Mean predicted probability divided by the true rate of {label} = 1: above 1, "
            "probabilities are too high.",
            "near 1",
        ),
        "global_auc": (
            "AUC over all rows",
            f"How often a row with {label} = 1 scores above one with {label} = 0; 0.5 is chance.",
            "higher",
        ),
        "ndcg": (
            f"NDCG@{k}",
            f"Quality of the first {k} places of the test rows of each {query}; 1 is a perfect "
            "order.",
            "higher",
        ),
        "mrr": (
            "MRR",
            f"Mean of 1 / place of the first row with a {relevant}; 1 if it is always first.",
            "higher",
        ),
        "map": (
            f"MAP@{k}",
            f"Mean precision at the places of rows with a {relevant} within the first {k}; 1 if "
            "they come first.",
            "higher",
        ),
        "hit_rate": (
            f"Hit rate@{k}",
            f"Share of {users} with a {relevant} within the first {k} places.",
            "higher",
        ),
        "auc": (
            f"AUC within a {query}",
            f"How often, of two test rows of one {query}, that with the higher {label} scores "
            "higher; 0.5 is chance.",
            "higher",
        ),
    }
    return MetricText(*texts[family])
