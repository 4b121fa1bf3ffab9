"""Columns, feature specifications, vocabularies and listwise computations."""
