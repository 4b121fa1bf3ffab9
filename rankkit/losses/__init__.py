"""Ranking losses over lists of items, and a loss of ordinal ratings."""

from rankkit.losses.base import ListLoss
from rankkit.losses.listwise import ApproxNDCGLoss, ListMLELoss, SoftmaxLoss
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
    "OrdinalLoss",
    "PairwiseHingeLoss",
    "PairwiseLogisticLoss",
    "PairwiseLoss",
    "SoftmaxLoss",
]
