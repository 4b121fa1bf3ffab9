"""`RankingModel` and how it is trained."""
