"""The report of a ranker as one HTML file."""
