"""Feature layers, which turn a raw value into a vector, and heads, which output the score."""

from rankkit.layers.attribute import Attribute
from rankkit.layers.bucket_embedding import BucketEmbedding
from rankkit.layers.calendar_embedding import CalendarEmbedding
from rankkit.layers.cross_embedding import CrossEmbedding
from rankkit.layers.dense_rating_head import DenseRatingHead
from rankkit.layers.experts import MultiGateMixtureOfExperts, ProgressiveExtraction
from rankkit.layers.hashed_id_embedding import HashedIdEmbedding
from rankkit.layers.history_embedding import HistoryEmbedding
from rankkit.layers.id_embedding import IdEmbedding
from rankkit.layers.normalized_number import NormalizedNumber
from rankkit.layers.one_hot import OneHot
from rankkit.layers.ordinal_head import OrdinalHead
from rankkit.layers.score import EnsembleMean, WeightedScore
from rankkit.layers.tags_embedding import TagsEmbedding
from rankkit.layers.text_embedding import TextEmbedding
from rankkit.layers.time_since_embedding import TimeSinceEmbedding

__all__ = [
    "Attribute",
    "BucketEmbedding",
    "CalendarEmbedding",
    "CrossEmbedding",
    "DenseRatingHead",
    "EnsembleMean",
    "HashedIdEmbedding",
    "HistoryEmbedding",
    "IdEmbedding",
    "MultiGateMixtureOfExperts",
    "NormalizedNumber",
    "OneHot",
    "OrdinalHead",
    "ProgressiveExtraction",
    "TagsEmbedding",
    "TextEmbedding",
    "TimeSinceEmbedding",
    "WeightedScore",
]
