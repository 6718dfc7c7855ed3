"""A Qdrant server of its own, from the program that QDRANT_BINARY names: to be compared with."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

#: It has to answer within so many seconds.
BEGIN_S = 60


def free():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def answers(url):
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200
    return False


@contextlib.contextmanager
def server():
    """Its address, while it runs; None where there is no such program."""
    binary = os.environ.get("QDRANT_BINARY")
    if not binary:
        yield None
        return
    http, grpc = free(), free()
    with tempfile.TemporaryDirectory(prefix="qdrant-") as folder:
        settings = {
            "QDRANT__SERVICE__HTTP_PORT": str(http), "QDRANT__SERVICE__GRPC_PORT": str(grpc),
            "QDRANT__SERVICE__HOST": "127.0.0.1", "QDRANT__TELEMETRY_DISABLED": "true",
            "QDRANT__STORAGE__STORAGE_PATH": str(pathlib.Path(folder) / "storage"),
            "QDRANT__STORAGE__SNAPSHOTS_PATH": str(pathlib.Path(folder) / "snapshots"),
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([pathlib.Path(binary).resolve()], cwd=folder, env=os.environ | settings, **quiet)
        try:
            url, ends = f"http://127.0.0.1:{http}", time.monotonic() + BEGIN_S
            while not answers(url):
                if process.poll() is not None or time.monotonic() > ends:
                    raise SystemExit(f"{binary}: no server came up ({process.poll()})")
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait()
