"""Serve the model that `make demo` exported, ask it for a ranking, and stop the server."""

import argparse
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

TITLES = ["M*A*S*H (1970)", "Dances with Wolves (1990)", "Speed (1994)"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path, help="folder with versions of an export")
    folder = parser.parse_args().export

    body = json.dumps({"query": {"user_id": "42"}, "candidates": {"movie_title": TITLES}})
    command = [sys.executable, "-m", "rankkit", "serve", str(folder), "--quiet", "--port"]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address, is_ready, _ = server.stdout.readline().partition("/ is ready")
            if not is_ready:  # the server has said why
                sys.exit(server.wait() or 1)
            with urllib.request.urlopen(f"{address}/rank", body.encode(), timeout=60) as response:
                answer = json.load(response)
        finally:
            server.terminate()

    print(f"\nPOST {address}/rank {body}\n{json.dumps(answer)}")
    print("\nThe server has stopped. Start it again, and send the request, or open its address:")
    print(f"  {os.path.relpath(Path(sys.executable).with_name('rankkit'))} serve {folder}")
    print(f"  curl http://127.0.0.1:8501/rank -d '{body}'")


if __name__ == "__main__":
    main()
