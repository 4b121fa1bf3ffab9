"""Runs Python in forks of a process that has imported TensorFlow, which saves the import's seconds.

The code behaves the same, since rankkit chooses `tf.keras` later. While `serve` runs that process,
`python -S forked.py` with a script, `-c` and code, or `-m` and a module, and arguments is the same
as `python` with them: the same folder, environment, streams, signals and exit code.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

ADDRESS = "RANKKIT_FORKED"


@contextlib.contextmanager
def serve(folder: str, *modules: str) -> Iterator[None]:
    """Imports TensorFlow and modules in a process with a socket in a folder."""
    os.environ[ADDRESS] = os.path.join(folder, "forked")
    # Importing rankkit has set this variable; the environment of a user does not have it.
    env = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    command, pipe = [sys.executable, __file__, "--serve", "tensorflow", *modules], subprocess.PIPE
    with subprocess.Popen(
        command, env=env, stdin=pipe, stdout=pipe, start_new_session=True
    ) as server:
        try:
            assert server.stdout is not None
            server.stdout.read(1)  # it listens
            yield
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            del os.environ[ADDRESS]


def _accept(modules: list[str]) -> None:
    """Waits for clients and forks for each of them; returns in the fork that runs its code."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(os.environ.pop(ADDRESS))
    for module in modules:
        __import__(module)
    listener.listen()
    os.write(1, b".")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _take_over(connection)
        connection.close()
    sys.exit()


def _take_over(connection: socket.socket) -> None:
    """Becomes the client in a fork, and passes its signals and the exit code on."""
    request, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    if pid := os.fork():
        watched = os.pidfd_open(pid)
        while watched not in select.select([connection, watched], [], [])[0]:
            os.kill(pid, (connection.recv(1) or bytes([signal.SIGKILL]))[0])
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            connection.send(str(code).encode())
        os._exit(0)
    connection.close()
    folder, environment, sys.argv = json.loads(request)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)


def _ask() -> None:
    """Has the server run the code, and exits like it; runs it here if there is no server."""
    if ADDRESS not in os.environ:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(os.environ[ADDRESS])
        request = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:]])
        socket.send_fds(connection, [request.encode()], [0, 1, 2])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: connection.send(bytes([number])))
        code = int(connection.recv(9) or 1)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _run() -> None:
    """Runs what Python runs for `sys.argv`."""
    kind, *_ = sys.argv
    sys.path[0] = "" if kind in ("-c", "-m") else os.path.dirname(kind)
    if kind == "-c":
        exec(compile(sys.argv.pop(1), "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(kind, run_name="__main__")


def _exit_with(run: Callable[[], None]) -> None:
    """Exits like Python, without the second that it takes to free all objects of TensorFlow."""
    code = None
    try:
        run()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(1 if isinstance(code, str) else code or 0)


if __name__ == "__main__":
    if sys.argv[1] != "--serve":
        _ask()
    _accept(sys.argv[2:])
    import atexit
    import runpy
    import threading
    import traceback

    _exit_with(_run)
