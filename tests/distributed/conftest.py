"""Clusters of processes of this host."""

import itertools
import json
import os
import socket
import subprocess

import pytest


@pytest.fixture(scope="session")
def free_addresses():
    """Finds addresses of this host that are not in use."""

    def free_addresses(count):
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        for each in sockets:
            each.close()
        return addresses

    return free_addresses


@pytest.fixture(scope="session")
def run_cluster(free_addresses, warm_python):
    """Runs a script in each process of a cluster, until the processes of the last kind end."""

    def run_cluster(script, folder, counts):
        addresses = iter(free_addresses(sum(counts.values())))
        cluster = {kind: list(itertools.islice(addresses, count)) for kind, count in counts.items()}
        *_, (last, num_last) = counts.items()
        running = []
        try:
            for kind, count in counts.items():
                for index in range(count):
                    config = {"cluster": cluster, "task": {"type": kind, "index": index}}
                    environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
                    with (folder / f"{kind}_{index}.txt").open("w") as log:
                        command = [*warm_python, script, str(folder)]
                        running.append(subprocess.Popen(command, env=environment, stderr=log))
            codes = [process.wait(280) for process in running[-num_last:]]
        finally:
            for process in running:
                process.kill()
                process.wait()
        for index, code in enumerate(codes):
            assert not code, (folder / f"{last}_{index}.txt").read_text()[-3000:]

    return run_cluster
