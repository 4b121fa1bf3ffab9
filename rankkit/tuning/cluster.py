"""Which part this process has in a search: keras-tuner's environment variables say it."""

import os
import socket
import time
from typing import Literal, NamedTuple

from rankkit._errors import invalid, missing

IP, PORT, TUNER_ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"


class Part(NamedTuple):
    """The part of this process.

    Attributes:
        role: `"alone"`, or in a search of several processes `"chief"` or `"worker"`.
        tuner_id: Its name.
        address: Where the chief listens, host and port; `None` alone.
    """

    role: Literal["alone", "chief", "worker"]
    tuner_id: str
    address: tuple[str, int] | None


def own_part() -> Part:
    """Reads the part of this process from its environment.

    Raises:
        ValueError: If some of the variables are missing, or the port is no port.
    """
    present = [name for name in (IP, PORT, TUNER_ID) if os.environ.get(name)]
    if IP not in present and PORT not in present:
        return Part("alone", os.environ.get(TUNER_ID) or "tuner0", None)
    for name in (IP, PORT, TUNER_ID):
        if name not in present:
            raise missing("environment variable", name, (IP, PORT, TUNER_ID), present)
    port = os.environ[PORT]
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise invalid(PORT, port, "a port, from 1 to 65535")
    tuner_id = os.environ[TUNER_ID]
    role = "chief" if "chief" in tuner_id else "worker"  # as keras-tuner tells them apart
    return Part(role, tuner_id, (os.environ[IP], int(port)))


def check_port_is_free(address: tuple[str, int]) -> None:
    """Refuses an address that another process listens at, which gRPC would silently share.

    Raises:
        OSError: If it is in use, or is none of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The chief cannot listen at {address[0]}:{address[1]} ({error.strerror}). Set "
                f"{PORT} to a free port, and {IP} to an address of this machine, for the chief "
                "and all workers.",
            ) from None


def wait_for_chief(part: Part, timeout: float) -> None:
    """Returns when the chief listens.

    Args:
        part: A worker's.
        timeout: Seconds to wait at most.

    Raises:
        TimeoutError: If it does not listen by then.
    """
    assert part.address is not None
    shown = f"{part.address[0]}:{part.address[1]}"
    deadline = time.monotonic() + timeout
    said = False
    while True:
        try:
            socket.create_connection(part.address, timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Worker {part.tuner_id!r} found no chief at {shown} within {timeout:g} s "
                    f"({error}). Start the chief, a process with {TUNER_ID}=chief, or mend {IP} "
                    f"and {PORT}."
                ) from None
        if not said:
            print(f"{part.tuner_id}: waiting up to {timeout:g} s for the chief at {shown}")
            said = True
        time.sleep(0.2)


def free_port() -> int:
    """Gives a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
