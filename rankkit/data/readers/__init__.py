"""Readers of files and Arrow tables."""
