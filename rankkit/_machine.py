"""What the machine has."""

import math
import os
from pathlib import Path

_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # of Linux, where a limit is set


def machine_bytes() -> float:
    """The memory that a process can have: of the machine, or of its container if that is less."""
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER.read_text().strip() if _CONTAINER.is_file() else "max"
    return min(there, int(limit)) if limit.isdecimal() else there
