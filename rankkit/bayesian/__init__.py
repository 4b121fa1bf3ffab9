"""Bayesian factorization machines, fitted by Gibbs sampling."""

from rankkit.bayesian.factorization_machine import factorization_machine

__all__ = ["factorization_machine"]
