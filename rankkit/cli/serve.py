"""`rankkit serve`: answers requests with an exported model."""

import argparse
import logging
import socket
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Adds the subcommand and its options."""
    parser = commands.add_parser(
        "serve",
        help="answer HTTP requests with an exported model",
        description="Serves the newest versions in a folder of exports, and loads new ones as they "
        "appear. There is no authentication: put a proxy in front before opening it to others.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "path",
        type=Path,
        help="folder with versions such as export/1, one SavedModel folder, or a .tflite file",
    )
    parser.add_argument("--name", default="ranker", help="name of the model in URLs")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8501, help="port to listen on")
    parser.add_argument("--versions", type=int, default=2, help="newest versions to keep loaded")
    parser.add_argument(
        "--poll",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time between looks for new versions",
    )
    parser.add_argument(
        "--max-body",
        type=int,
        default=16,
        metavar="MIB",
        help="size of a request body above which it is refused",
    )
    parser.add_argument(
        "--max-candidates",
        type=int,
        default=100_000,
        help="candidates of /rank above which a request is refused",
    )
    parser.add_argument(
        "--max-pending",
        type=int,
        default=256,
        help="requests at a time above which further ones get the status 503",
    )
    parser.add_argument("--quiet", action="store_true", help="log warnings only, no requests")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        import uvicorn

        from rankkit.serving.app import Limits, create_app
    except ImportError as error:
        raise ValueError(f"{error}. Install the server: pip install 'rankkit[serve]'.") from None
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    listener = _listen(options.host, options.port)
    limits = Limits(
        max_body=options.max_body * 2**20,
        max_candidates=options.max_candidates,
        max_pending=options.max_pending,
    )
    app = create_app(
        options.path,
        options.name,
        num_versions=options.versions,
        poll_seconds=options.poll,
        limits=limits,
    )
    host, port = listener.getsockname()[:2]
    listener.listen()
    print(f"http://{host}:{port}/ is ready", flush=True)
    config = uvicorn.Config(
        app, log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=30
    )
    uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens, before the slow imports."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ValueError(f"Cannot listen on {host}:{port}: {error}. Pass another --port.") from None
    return listener
