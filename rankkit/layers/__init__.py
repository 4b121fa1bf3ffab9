"""Feature layers, which turn a raw value into a vector, and heads, which output the score."""

from rankkit.layers.additive_head import AdditiveHead
from rankkit.layers.attribute import Attribute
from rankkit.layers.bucket_embedding import BucketEmbedding
from rankkit.layers.calendar_embedding import CalendarEmbedding
from rankkit.layers.candidate_attention import CandidateAttention
from rankkit.layers.count_encoding import CountEncoding
from rankkit.layers.cross_embedding import CrossEmbedding
from rankkit.layers.dense_rating_head import DenseRatingHead
from rankkit.layers.experts import MultiGateMixtureOfExperts, ProgressiveExtraction
from rankkit.layers.hashed_id_embedding import HashedIdEmbedding
from rankkit.layers.history_embedding import HistoryEmbedding
from rankkit.layers.id_attributes_embedding import IdAttributesEmbedding
from rankkit.layers.id_embedding import IdEmbedding
from rankkit.layers.next_item_score import NextItemScore
from rankkit.layers.normalized_number import NormalizedNumber
from rankkit.layers.normalized_numbers import NormalizedNumbers
from rankkit.layers.one_hot import OneHot
from rankkit.layers.ordinal_head import OrdinalHead
from rankkit.layers.periodic_embedding import PeriodicEmbedding
from rankkit.layers.piecewise_linear_embedding import PiecewiseLinearEmbedding
from rankkit.layers.score import EnsembleMean, WeightedScore
from rankkit.layers.sequence_mean import SequenceMean
from rankkit.layers.tags_embedding import TagsEmbedding
from rankkit.layers.target_attention import TargetAttention
from rankkit.layers.target_encoding import TargetEncoding
from rankkit.layers.target_transformer import TargetTransformer
from rankkit.layers.text_embedding import TextEmbedding
from rankkit.layers.time_since_embedding import TimeSinceEmbedding
from rankkit.layers.transition_score import TransitionScore

__all__ = [
    "AdditiveHead",
    "Attribute",
    "BucketEmbedding",
    "CalendarEmbedding",
    "CandidateAttention",
    "CountEncoding",
    "CrossEmbedding",
    "DenseRatingHead",
    "EnsembleMean",
    "HashedIdEmbedding",
    "HistoryEmbedding",
    "IdAttributesEmbedding",
    "IdEmbedding",
    "MultiGateMixtureOfExperts",
    "NextItemScore",
    "NormalizedNumber",
    "NormalizedNumbers",
    "OneHot",
    "OrdinalHead",
    "PeriodicEmbedding",
    "PiecewiseLinearEmbedding",
    "ProgressiveExtraction",
    "SequenceMean",
    "TagsEmbedding",
    "TargetAttention",
    "TargetEncoding",
    "TargetTransformer",
    "TextEmbedding",
    "TimeSinceEmbedding",
    "TransitionScore",
    "WeightedScore",
]
