"""`rankkit serve`: answers requests with an exported model."""

import argparse
import logging
import os
import socket
from pathlib import Path
from typing import Any

from rankkit.cli.recipe import FILE
from rankkit.serving.limits import Limits, check_seconds
from rankkit.utils.errors import check_integer


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
        help="folder of `rankkit train`, folder with versions such as export/1, one SavedModel "
        "folder, or a .tflite file",
    )
    limits = Limits()
    parser.add_argument("--name", default="ranker", help="name of the model in URLs")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=8501, help="port to listen on; 0 picks a free one"
    )
    parser.add_argument(
        "--versions", type=int, default=2, help="number of newest versions to keep loaded"
    )
    parser.add_argument(
        "--poll",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="seconds between checks for new versions",
    )
    parser.add_argument(
        "--max-body",
        type=int,
        default=limits.max_body_bytes // 2**20,
        metavar="MIB",
        help="maximum size of a request body in MiB",
    )
    parser.add_argument(
        "--max-candidates",
        type=int,
        default=limits.max_candidates,
        help="maximum number of candidates or rows of a request",
    )
    parser.add_argument(
        "--max-pending",
        type=int,
        default=limits.max_pending,
        help="maximum number of requests that wait for an answer; further ones get status 503",
    )
    parser.add_argument("--quiet", action="store_true", help="log warnings only, no requests")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    for name in ("versions", "max_body", "max_candidates", "max_pending"):
        check_integer(f"--{name.replace('_', '-')}", getattr(options, name))
    check_seconds("--poll", options.poll)
    # One thread for each request: with several, 1,000 candidates take a third more of the CPUs.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    from rankkit.serving import create_app  # isort: skip  # says what to install
    import uvicorn

    from rankkit.cli.http import BoundedHttp

    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s")
    with _listen(options.host, options.port) as listener:
        limits = Limits(
            max_body_bytes=options.max_body * 2**20,
            max_candidates=options.max_candidates,
            max_pending=options.max_pending,
        )
        is_ranker = (options.path / FILE).is_file()
        app = create_app(
            options.path / "export" if is_ranker else options.path,
            options.name,
            num_versions=options.versions,
            poll_seconds=options.poll,
            limits=limits,
        )
        host, port = listener.getsockname()[:2]
        listener.listen()
        address = f"[{host}]" if ":" in host else host
        print(f"http://{address}:{port}/ is ready", flush=True)
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=20,
        )
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Binds the address, so that a port in use is reported before the model is loaded."""
    if not host:
        raise ValueError("--host must be an address, such as 127.0.0.1. Got: an empty one.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = str(error).rstrip(".")
        fix = "Pass another --host or --port."
        raise ValueError(f"Cannot listen on {host}:{port}: {reason}. {fix}") from None
    return listener
