"""HTTP server for exported models."""

from typing import TYPE_CHECKING, Any

from rankkit.serving.limits import Limits

if TYPE_CHECKING:
    from rankkit.serving.app import create_app

__all__ = ["Limits", "create_app"]


def __getattr__(name: str) -> Any:
    """Imports what needs the extra `serve` on first use: the command reads the limits alone."""
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from rankkit.serving.app import create_app
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"The server needs {error.name}. Install rankkit with its extra, in a clone: "
            "pip install '.[serve]'."
        ) from None
    return create_app
