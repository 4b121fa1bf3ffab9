"""Bayesian factorization machines, sampled from their posterior."""

from rankkit.bayesian.factorization_machine import factorization_machine

__all__ = ["factorization_machine"]
