"""HTTP server for exported models."""

try:
    from rankkit.serving.app import Limits, create_app
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"The server needs {error.name}. Install rankkit with its extra, in a clone: "
        "pip install '.[serve]'."
    ) from None

__all__ = ["Limits", "create_app"]
