"""Learning by drawing from the posterior, in place of descending to one point."""

from rankkit.sampling.sample import sample

__all__ = ["sample"]
