"""Ranking losses over lists of items, and losses of ordinal ratings and of sequences."""

from rankkit.losses.base import ListLoss
from rankkit.losses.listwise import ApproxNDCGLoss, ListMLELoss, SoftmaxLoss
from rankkit.losses.next_item import NextItemLoss
from rankkit.losses.ordinal import OrdinalLoss
from rankkit.losses.pairwise import (
    LambdaRankLoss,
    PairwiseHingeLoss,
    PairwiseLogisticLoss,
    PairwiseLoss,
)

__all__ = [
    "ApproxNDCGLoss",
    "LambdaRankLoss",
    "ListLoss",
    "ListMLELoss",
    "NextItemLoss",
    "OrdinalLoss",
    "PairwiseHingeLoss",
    "PairwiseLogisticLoss",
    "PairwiseLoss",
    "SoftmaxLoss",
]
