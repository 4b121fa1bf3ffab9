"""Import of TensorFlow without its notes about the host, which no log level hides."""

import os
import sys
import tempfile

_NOTES = (b"I0000 ", b"WARNING: All log messages before absl::InitializeLog() is called")


def import_tensorflow() -> None:
    """Imports TensorFlow; with `TF_CPP_MIN_LOG_LEVEL` of 1 or more, warnings and errors alone."""
    if "tensorflow" in sys.modules or os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") == "0":
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            log.seek(0)
            for line in log:
                if not line.startswith(_NOTES):
                    os.write(2, line)
