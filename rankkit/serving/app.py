"""The web application: routes, limits, metrics and access log."""

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rankkit.serving import kserve, tensorflow_serving
from rankkit.serving.batching import Batcher
from rankkit.serving.errors import RequestError
from rankkit.serving.limits import Limits, check_seconds
from rankkit.serving.monitoring import Monitoring
from rankkit.serving.openapi import describe
from rankkit.serving.pages import explorer_data
from rankkit.serving.ranking import rank
from rankkit.serving.runtime import PREDICT
from rankkit.serving.tensors import parse_json, show
from rankkit.serving.versions import ModelVersions, Version
from rankkit.utils.errors import check_integer, check_path, check_text, invalid

_logger = logging.getLogger(__name__)
_FOLDER = Path(__file__).parent
_VERSION = importlib.metadata.version("rankkit")
_SMALL_BODY = 64 * 1024  # bytes, such as 2,000 titles
_QUICK_SECONDS = 0.01


class Service:
    """Answers requests with the versions of one model."""

    def __init__(self, versions: ModelVersions, name: str, limits: Limits, num_threads: int):
        self.versions = versions
        self.name = name
        self.limits = limits
        self._batcher = Batcher()
        self._pool = ThreadPoolExecutor(num_threads, thread_name_prefix="rankkit-serving")
        self._pending = 0
        self._is_quick = True  # the last answer

    def close(self) -> None:
        """Waits for requests in progress."""
        self._pool.shutdown()

    def version(self, number: int | None, name: str | None = None) -> Version:
        """Returns the version of a number, or the newest, of the model with a name."""
        loaded = self.versions.loaded
        if name in (None, self.name):
            if number is None:
                return loaded[max(loaded)]
            if number in loaded:
                return loaded[number]
        if name is None:
            known = ", ".join(map(str, loaded))
            raise RequestError(f"The model has no version {number}. Loaded: {known}.", 404)
        which = f"Latest({name})" if number is None else f"Specific({name}, {number})"
        raise RequestError(f"Servable not found for request: {which}", 404)

    def run(
        self, version: Version, signature: str, inputs: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Runs a signature; rows of `serving_default` together with those of other requests.

        Not if their scores depend on each other: a request then has the candidates of one query.
        """
        lengths = {name: len(array) for name, array in inputs.items() if array.ndim}
        if (count := max(lengths.values(), default=0)) > (limit := self.limits.max_candidates):
            raise RequestError(f"A request may have at most {limit} rows. Got: {count}.", 413)
        if signature == PREDICT and len(set(lengths.values())) != 1:
            raise RequestError(f"The inputs must have equal lengths. Got: {lengths}.")
        if signature != PREDICT or version.runtime.compares_rows:
            outputs = list(version.runtime.signatures[signature].outputs)
            return version.run(signature, inputs, outputs)
        return self._batcher.run(version, inputs)

    async def call(self, request: Request, answer: Callable[[bytes], Response]) -> Response:
        """Reads the body of a request and answers it.

        A thread does so, unless the request is small and alone, and the one before was quick.
        """
        body = await _read_body(request, self.limits)
        if self._pending >= self.limits.max_pending:
            raise RequestError("The server is busy. Try again later.", 503)
        self._pending += 1
        start = time.perf_counter()
        try:
            await asyncio.sleep(0)  # requests that arrived at the same time are counted
            if self._pending == 1 and self._is_quick and len(body) <= _SMALL_BODY:
                return _answer_errors(answer, body)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, _answer_errors, answer, body)
        finally:
            self._pending -= 1
            self._is_quick = time.perf_counter() - start < _QUICK_SECONDS


async def _read_body(request: Request, limits: Limits) -> bytes:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(f"The body must not be compressed. Got: {encoding}.", 415)
    too_large = RequestError(f"The body may have at most {limits.max_body_bytes} bytes.", 413)
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limits.max_body_bytes:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.body_timeout_seconds):
            async for part in request.stream():
                size += len(part)
                if size > limits.max_body_bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        seconds = limits.body_timeout_seconds
        raise RequestError(f"The body did not arrive within {seconds} s.", 408) from None
    return b"".join(parts)


def _answer_errors(answer: Callable[[bytes], Response], body: bytes) -> Response:
    """Returns the answer, or the response for its error."""
    try:
        return answer(body)
    except RequestError as error:
        return error_response(error)
    except Exception as error:
        _logger.exception("A request failed.")
        return error_response(RequestError(f"Internal error: {type(error).__name__}.", 500))


def error_response(error: Any) -> Response:
    """Returns the response for a `RequestError`, in the form of both protocols."""
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return _json_response({"error": str(error)}, error.status, headers)


def _json_response(value: Any, status: int = 200, headers: Any = None) -> Response:
    content = json.dumps(value, allow_nan=False)  # in ASCII: texts may hold a lone surrogate
    return Response(content, status, headers, "application/json")


class _VersionConvertor(Convertor[int]):
    """The number of a version in a path, below 10**19."""

    regex = "[0-9]{1,19}"

    def convert(self, value: str) -> int:
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("version", _VersionConvertor())


def create_app(
    path: str | os.PathLike[str],
    name: str = "ranker",
    *,
    num_versions: int = 2,
    poll_seconds: float = 1.0,
    num_threads: int = 32,
    limits: Limits | None = None,
) -> Starlette:
    """Returns the ASGI application that serves a model, for uvicorn or another server.

    Args:
        path: Folder with version folders such as `1`, one SavedModel folder, or a `.tflite` file.
        name: Name of the model in the URLs. Defaults to `"ranker"`.
        num_versions: Number of newest versions to keep loaded. Defaults to `2`.
        poll_seconds: Seconds between checks for new versions. Defaults to `1.0`.
        num_threads: Number of worker threads. Defaults to `32`.
        limits: Limits on requests. Defaults to `None`, those of `Limits()`.

    Raises:
        ValueError: If an argument is out of range, or the folder has no version that can be loaded.
    """
    path = Path(check_path("path", path))
    if not re.fullmatch(r"[\w.-]+", check_text("name", name), re.ASCII):
        raise invalid("name", name, "letters, digits, '_', '-' or '.'")
    check_integer("num_versions", num_versions)
    check_integer("num_threads", num_threads)
    check_seconds("poll_seconds", poll_seconds)
    versions = ModelVersions(path, num_versions)
    versions.refresh(wait=False)
    if not versions.loaded:
        errors = [f"{number}: {error}" for number, (_, error) in versions.states().items()]
        found = f"Got: {'; '.join(errors)}" if errors else f"Got: no version in {str(path)!r}."
        raise ValueError(
            "path must be a folder with versions of rankkit.export.save or to_tflite, such as "
            f"export/1, of which one can be loaded. {found}"
        )
    limits = limits or Limits()
    service = Service(versions, name, limits, num_threads)
    monitoring = Monitoring(service.versions)
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(poll_seconds):
            try:
                versions.refresh()
            except OSError as error:
                _logger.error("%s cannot be read: %s", path, error)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        watcher = threading.Thread(target=watch, name="rankkit-versions", daemon=True)
        watcher.start()
        yield
        stop.set()
        service.close()
        await asyncio.to_thread(watcher.join)

    app = Starlette(
        routes=_routes(service, monitoring),
        lifespan=lifespan,
        exception_handlers={
            RequestError: lambda request, error: error_response(error),
            HTTPException: _http_error,
            ClientDisconnect: lambda request, error: Response(status_code=499),
            Exception: lambda request, error: error_response(RequestError("Internal error.", 500)),
        },
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.add_middleware(monitoring.middleware)
    return app


def _http_error(request: Request, error: Any) -> Response:
    """Returns the response for an unknown path or method."""
    message = str(error.detail)
    if error.status_code == 404:
        message = f"Malformed request: {request.method} {request.url.path}"
    response = error_response(RequestError(message, error.status_code))
    response.headers.update(error.headers or {})
    return response


def _routes(service: Service, monitoring: Monitoring) -> list[Route]:
    """Returns the routes of all protocols."""
    versions, model = service.versions, service.name

    def parts(request: Request) -> tuple[str, int | None]:
        return request.path_params["name"], request.path_params.get("version")

    # --- /rank ---

    async def post_rank(request: Request) -> Response:
        def answer(body: bytes) -> Response:
            fields = parse_json(body)
            number = fields.get("version")
            if number is not None and (type(number) is not int or number < 1):
                raise RequestError(f"'version' must be a positive integer. Got: {show(number)}.")
            version = service.version(number)
            ranking = rank(version, fields, service.limits.max_candidates)
            return _json_response({"model": model, "version": version.number, "ranking": ranking})

        return await service.call(request, answer)

    # --- TensorFlow Serving ---

    async def v1_status(request: Request) -> Response:
        name, number = parts(request)
        states = versions.states()
        if name != model or (number is not None and number not in states):
            raise RequestError(f"Could not find any versions of model {name}", 404)
        if number is not None:
            states = {number: states[number]}
        return JSONResponse(tensorflow_serving.status(states))

    async def v1_metadata(request: Request) -> Response:
        name, number = parts(request)
        return JSONResponse(tensorflow_serving.metadata(name, service.version(number, name)))

    async def v1_predict(request: Request) -> Response:
        name, number = parts(request)
        if (verb := request.path_params["verb"]) != "predict":
            raise RequestError(f"{verb!r} is not supported. Use :predict.")

        def answer(body: bytes) -> Response:
            version = service.version(number, name)
            return _json_response(
                tensorflow_serving.predict(version, parse_json(body), service.run)
            )

        return await service.call(request, answer)

    # --- KServe ---

    async def v2_server(request: Request) -> Response:
        return JSONResponse(
            {"name": "rankkit", "version": _VERSION, "extensions": ["binary_tensor_data"]}
        )

    async def live(request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(request: Request) -> Response:
        return JSONResponse({"ready": True})  # a version was loaded before the port was opened

    async def v2_model(request: Request) -> Response:
        name, number = parts(request)
        version = service.version(number, name)
        return JSONResponse(kserve.metadata(name, version, sorted(versions.loaded)))

    async def v2_model_ready(request: Request) -> Response:
        name, number = parts(request)
        return JSONResponse({"name": name, "ready": bool(service.version(number, name))})

    async def v2_infer(request: Request) -> Response:
        name, number = parts(request)
        length = request.headers.get(kserve.LENGTH_HEADER)

        def answer(body: bytes) -> Response:
            version = service.version(number, name)
            content, header_length = kserve.infer(name, version, body, length, service.run)
            if header_length is None:
                return Response(content, media_type="application/json")
            headers = {kserve.LENGTH_HEADER: str(header_length)}
            return Response(content, 200, headers, "application/octet-stream")

        return await service.call(request, answer)

    # --- Monitoring ---

    async def metrics(request: Request) -> Response:
        return monitoring.response()

    # --- Pages ---

    async def explorer_json(request: Request) -> Response:
        return JSONResponse(explorer_data(model, versions))

    def page(file: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return FileResponse(_FOLDER / file)

        return answer

    async def openapi_json(request: Request) -> Response:
        return JSONResponse(describe(model, versions, _VERSION))

    v1 = "/v1/models/{name}"
    v2 = "/v2/models/{name}"
    routes = [Route("/rank", post_rank, methods=["POST"])]
    for suffix in ("", "/versions/{version:version}"):
        routes += [
            Route(f"{v1}{suffix}:{{verb}}", v1_predict, methods=["POST"]),
            Route(f"{v1}{suffix}/metadata", v1_metadata),
            Route(f"{v1}{suffix}", v1_status),
            Route(f"{v2}{suffix}/infer", v2_infer, methods=["POST"]),
            Route(f"{v2}{suffix}/ready", v2_model_ready),
            Route(f"{v2}{suffix}", v2_model),
        ]
    routes += [
        Route("/v2", v2_server),
        Route("/v2/health/live", live),
        Route("/v2/health/ready", ready),
        Route("/metrics", metrics),
        Route("/", page("explorer.html")),
        Route("/docs", page("api.html")),
        Route("/pages.css", page("pages.css")),
        Route("/pages.js", page("pages.js")),
        Route("/explorer.json", explorer_json),
        Route("/openapi.json", openapi_json),
    ]
    return routes
