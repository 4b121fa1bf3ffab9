"""What an evaluation finds, and what a scorer has to beat."""

from rankkit.evaluation.baselines import BiasBaseline
from rankkit.evaluation.report import Report

__all__ = ["BiasBaseline", "Report"]
