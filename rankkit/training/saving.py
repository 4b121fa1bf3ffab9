"""Files of a model that are complete or not written at all."""

import os
from collections.abc import Callable
from typing import Any

from rankkit.utils.files import write_atomically

_ONE_FILE = (".keras", ".h5", ".hdf5")  # other names are the beginning of those of a checkpoint


def save_file(save: Callable[..., Any], path: str, overwrite: bool, *args: Any, **kwargs: Any):
    """Calls a method of Keras that saves to a path; a file on this host is written atomically."""
    is_kept = not overwrite and os.path.exists(path)  # Keras asks
    if is_kept or not path.endswith(_ONE_FILE) or "://" in path:
        save(path, overwrite, *args, **kwargs)
        return
    with write_atomically(path, replace=True) as part:
        save(str(part), True, *args, **kwargs)
