"""HTTP server for exported models."""

from rankkit.serving.app import Limits, create_app

__all__ = ["Limits", "create_app"]
