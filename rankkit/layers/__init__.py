"""One layer a file: a raw feature value in, a vector out; and the heads."""

from rankkit.layers.age_embedding import AgeEmbedding
from rankkit.layers.attribute import Attribute
from rankkit.layers.bucket_embedding import BucketEmbedding
from rankkit.layers.calendar_embedding import CalendarEmbedding
from rankkit.layers.cross_embedding import CrossEmbedding
from rankkit.layers.dense_rating_head import DenseRatingHead
from rankkit.layers.hashed_id_embedding import HashedIdEmbedding
from rankkit.layers.history_embedding import HistoryEmbedding
from rankkit.layers.id_embedding import IdEmbedding
from rankkit.layers.mean_of_members import MeanOfMembers
from rankkit.layers.mixture_of_experts import MixtureOfExperts
from rankkit.layers.normalized_number import NormalizedNumber
from rankkit.layers.one_hot import OneHot
from rankkit.layers.ordinal_head import OrdinalHead
from rankkit.layers.progressive_extraction import ProgressiveExtraction
from rankkit.layers.tags_embedding import TagsEmbedding
from rankkit.layers.text_embedding import TextEmbedding
from rankkit.layers.weighted_score import WeightedScore

__all__ = [
    "AgeEmbedding",
    "Attribute",
    "BucketEmbedding",
    "CalendarEmbedding",
    "CrossEmbedding",
    "DenseRatingHead",
    "HashedIdEmbedding",
    "HistoryEmbedding",
    "IdEmbedding",
    "MeanOfMembers",
    "MixtureOfExperts",
    "NormalizedNumber",
    "OneHot",
    "OrdinalHead",
    "ProgressiveExtraction",
    "TagsEmbedding",
    "TextEmbedding",
    "WeightedScore",
]
