"""The HTTP server for exported models, with `pip install rankkit[serve]`."""

from rankkit.serving.app import Limits, create_app

__all__ = ["Limits", "create_app"]
