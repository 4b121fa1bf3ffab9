"""One layer a file: a raw feature value in, a vector out; and the head."""

from rankkit.layers.dense_rating_head import DenseRatingHead
from rankkit.layers.id_embedding import IdEmbedding

__all__ = ["DenseRatingHead", "IdEmbedding"]
