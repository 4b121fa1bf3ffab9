"""Limits on requests."""

from dataclasses import dataclass

from rankkit.utils.errors import check_integer, check_number


@dataclass(frozen=True)
class Limits:
    """Limits on requests.

    Args:
        max_body_bytes: Maximum size of a body. Defaults to `16777216`.
        max_candidates: Maximum number of candidates of a `/rank` request, and of rows of the other
            protocols. Defaults to `100000`.
        max_pending: Maximum number of requests that wait for their answer; further ones get status
            503. Defaults to `256`.
        body_timeout_seconds: Time in which the body has to arrive. Defaults to `30.0`.

    Raises:
        ValueError: If a limit is not positive.
    """

    max_body_bytes: int = 16 * 2**20
    max_candidates: int = 100_000
    max_pending: int = 256
    body_timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        for name in ("max_body_bytes", "max_candidates", "max_pending"):
            check_integer(name, getattr(self, name))
        check_seconds("body_timeout_seconds", self.body_timeout_seconds)


def check_seconds(name: str, value: float) -> None:
    """Raises a `ValueError` unless a number is a positive number of seconds."""
    check_number(name, value, "a positive number of seconds", above=0)
