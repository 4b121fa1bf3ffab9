"""Losses that rank: over the lists of a query's items, and over rating steps."""

from rankkit.losses.approx_ndcg import ApproxNDCGLoss
from rankkit.losses.lambda_rank import LambdaRankLoss
from rankkit.losses.list_loss import ListLoss
from rankkit.losses.list_mle import ListMLELoss
from rankkit.losses.ordinal_loss import OrdinalLoss
from rankkit.losses.pairwise import PairwiseLoss
from rankkit.losses.pairwise_hinge import PairwiseHingeLoss
from rankkit.losses.pairwise_logistic import PairwiseLogisticLoss
from rankkit.losses.softmax import SoftmaxLoss

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
