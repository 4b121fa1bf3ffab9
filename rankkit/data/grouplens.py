"""Asks whether GroupLens, the home of MovieLens, can be downloaded from right now."""

import threading

HOST = "files.grouplens.org"
_ARCHIVE = "https://{host}/datasets/movielens/ml-{version}.zip"


def is_reachable(version: str, *, timeout: float = 3.0) -> bool:
    """Whether GroupLens answers for the archive of one MovieLens version.

    It asks as TFDS later downloads, through `requests`: with the same proxies and certificates.

    Args:
        version: The MovieLens version.
        timeout: Seconds to wait for an answer. Defaults to `3.0`.
    """
    answers: list[bool] = []
    # A resolver that hangs takes no time limit, so the question is asked in a thread that can be
    # left behind.
    url = _ARCHIVE.format(host=HOST, version=version)
    asking = threading.Thread(target=_ask, args=(url, timeout, answers), daemon=True)
    asking.start()
    asking.join(timeout + 0.5)
    return bool(answers and answers[0])


def _ask(url: str, timeout: float, answers: list[bool]) -> None:
    import requests

    try:
        answers.append(requests.head(url, timeout=timeout, allow_redirects=True).ok)
    except Exception:  # however it fails, it is no answer
        answers.append(False)
