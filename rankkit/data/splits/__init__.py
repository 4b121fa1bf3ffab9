"""Splits of rows, each of which measures something else."""

from rankkit.data.splits.k_fold import k_fold
from rankkit.data.splits.leave_last_out import leave_last_out
from rankkit.data.splits.random_split import random_split
from rankkit.data.splits.time_split import time_split
from rankkit.data.splits.unseen_split import unseen_split

__all__ = ["k_fold", "leave_last_out", "random_split", "time_split", "unseen_split"]
