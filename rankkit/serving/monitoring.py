"""Prometheus metrics and the access log."""

import logging
import time
from typing import Any
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from rankkit.serving.versions import ModelVersions

_logger = logging.getLogger("rankkit.serving.access")
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Monitoring:
    """Counts and times requests by route, and logs each."""

    def __init__(self, versions: ModelVersions):
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "rankkit_requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "rankkit_request_seconds",
            "Seconds from the first byte of a request to the last of its response.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._pending = Gauge(
            "rankkit_pending_requests", "Requests in progress.", registry=self._registry
        )
        newest = Gauge(
            "rankkit_model_version", "Newest version that is loaded.", registry=self._registry
        )
        newest.set_function(lambda: max(versions.loaded, default=0))

    def response(self) -> Response:
        """Returns all metrics in Prometheus's text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    def middleware(self, app: Any) -> Any:
        """Wraps an ASGI application."""

        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            start = time.perf_counter()
            status = 500

            async def send_and_note(message: Any) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            self._pending.inc()
            try:
                await app(scope, receive, send_and_note)
            finally:
                self._pending.dec()
                seconds = time.perf_counter() - start
                route = getattr(scope.get("route"), "path", "unknown")
                self._requests.labels(route, status).inc()
                self._seconds.labels(route).observe(seconds)
                client = scope.get("client") or ("-", 0)
                _logger.info(
                    "%s %s %s %d %.1f ms",
                    client[0],
                    scope["method"],
                    quote(scope["path"]),
                    status,
                    1000 * seconds,
                )

        return wrapped
