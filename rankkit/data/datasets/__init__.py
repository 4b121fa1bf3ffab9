"""Data sets to try rankkit with."""
