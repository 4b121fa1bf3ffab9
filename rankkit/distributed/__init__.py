"""Training on several hosts: workers and parameter servers."""
