"""Runs Python in forks of a process that has imported TensorFlow, which saves the import's seconds.

The code behaves the same, since rankkit chooses `tf.keras` later. While `serve` runs that process,
`python -S forked.py` with a script, `-c` and code, or `-m` and a module, and arguments is the same
as `python` with them: the same folder, environment, open files, signals and exit code. In a fork,
`sys.executable` is a command that does this too: processes that it starts are forks as well.
"""

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

ADDRESS = "RANKKIT_FORKED"
MAX_FILES = 250  # that a socket accepts in one message


@contextlib.contextmanager
def serve(folder: str, *modules: str) -> Iterator[None]:
    """Imports TensorFlow and modules in a process with a socket in a folder."""
    os.environ[ADDRESS] = os.path.join(folder, "forked")
    with open(os.path.join(folder, "python"), "w") as file:
        file.write(f'#!/bin/sh\nexec "{sys.executable}" -S "{os.path.abspath(__file__)}" "$@"\n')
        os.chmod(file.fileno(), 0o755)
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
    gc.freeze()  # a search collects garbage before each trial
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
    request, files, _, _ = socket.recv_fds(connection, 1 << 20, MAX_FILES)
    if pid := os.fork():
        watched = os.pidfd_open(pid)
        while watched not in select.select([connection, watched], [], [])[0]:
            os.kill(pid, (connection.recv(1) or bytes([signal.SIGKILL]))[0])
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with contextlib.suppress(BrokenPipeError):
            connection.send(str(code).encode())
        os._exit(0)
    connection.close()
    folder, environment, sys.argv, numbers = json.loads(request)
    copies = [fcntl.fcntl(file, fcntl.F_DUPFD, MAX_FILES) for file in files]
    for file in files:
        os.close(file)
    for copy, number in zip(copies, numbers, strict=True):
        os.dup2(copy, number)
        os.close(copy)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.executable = os.path.join(os.path.dirname(environment[ADDRESS]), "python")


def _ask() -> None:
    """Has the server run the code, and exits like it; runs it here without a server."""
    if sys.argv[1] == "-B":  # multiprocessing repeats PYTHONDONTWRITEBYTECODE
        del sys.argv[1]
    is_option = sys.argv[1].startswith("-") and sys.argv[1] not in ("-c", "-m")
    if ADDRESS not in os.environ or is_option:
        os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(os.environ[ADDRESS])
        files = [number for number in range(MAX_FILES) if os.path.exists(f"/proc/self/fd/{number}")]
        files = [number for number in files if os.get_inheritable(number)]
        request = json.dumps([os.getcwd(), dict(os.environ), sys.argv[1:], files])
        socket.send_fds(connection, [request.encode()], files)
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
        if not stream.closed:
            stream.flush()
    os._exit(1 if isinstance(code, str) else code or 0)


if __name__ == "__main__":
    if sys.argv[1] != "--serve":
        _ask()
    _accept(sys.argv[2:])
    import atexit
    import multiprocessing
    import runpy
    import threading
    import traceback

    multiprocessing.set_executable(sys.executable)
    _exit_with(_run)
