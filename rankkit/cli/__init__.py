"""The command `rankkit`."""
