"""The console in a real browser without a window, against a server that is started for it.

    python tests/console/run.py target/debug/nigh [--pictures docs/images]

Installs Playwright into a virtual environment beside the program, once, and drives the system's Chromium; where there is
none and none can be installed, it says so and ends well.
"""

import argparse
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile

from chromium import browser, python_with

HERE = pathlib.Path(__file__).parent
AXE = "axe-core@4.14"
SAMPLE = HERE.parent.parent / "server" / "assets" / "sample"


def axe(home):
    """The rules of accessibility, or nothing where they cannot be fetched."""
    script = home / "axe.min.js"
    if not script.exists() and shutil.which("npm"):
        packed = subprocess.run(["npm", "pack", AXE, "--silent"], cwd=home, capture_output=True, text=True)
        if packed.returncode == 0:
            with tarfile.open(home / packed.stdout.split()[-1]) as package:
                script.write_bytes(package.extractfile("package/axe.min.js").read())
    return script if script.exists() else None


def load(program, address):
    """The sample, in one segment and some live rows."""
    to = ["-c", "passages", "--addr", address]
    fields = ["--create", "--vector", "text:384:cosine", "--text", "text:english:title,text"]
    files = [SAMPLE / "points.jsonl.gz", "--id-field", "id", "--vectors", SAMPLE / "points.f16.npy"]
    for command in [["import", *files, *fields, *to], ["optimize", *to]]:
        subprocess.run([program, *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start(program, data, **settings):
    command = [program, "serve", "--data", data, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    environment = {**os.environ, **{f"NIGH__SECURITY__{name.upper()}": key for name, key in settings.items()}}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    grpc, http = re.search(r"gRPC ([0-9.:]+), HTTP ([0-9.:]+)", server.stdout.readline()).groups()
    return server, grpc, http


def stop(server):
    server.terminate()
    server.wait()


def damaged(program, data):
    """A collection whose files cannot be trusted any more."""
    server, grpc, _ = start(program, data)
    rows = "".join(f'{{"id": {at}, "n": {at}}}\n' for at in range(100))
    to = ["-c", "broken", "--addr", grpc]
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "text": True}
    subprocess.run([program, "import", "-", "--id-field", "id", "--create", *to], input=rows, **quiet)
    subprocess.run([program, "optimize", *to], **quiet)
    stop(server)
    files = pathlib.Path(data).glob("*/segments/*/*")
    os.truncate(max(files, key=lambda file: file.stat().st_size), 100)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("--pictures", type=pathlib.Path)
    asked = arguments.parse_args()
    chromium = browser()
    if not chromium:
        print("console: SKIPPED, there is no Chromium and it cannot be installed here")
        return
    home = asked.program.parent.parent / "console-tests"
    home.mkdir(parents=True, exist_ok=True)
    python = python_with(home)
    with tempfile.TemporaryDirectory() as folder:
        data = os.path.join(folder, "data")
        damaged(asked.program, data)
        server, grpc, http = start(asked.program, data)
        try:
            load(asked.program, grpc)
            walk = [python, HERE / "walk.py", chromium, f"http://{http}", asked.pictures or "-", axe(home) or "-"]
            subprocess.run(walk, check=True)
        finally:
            stop(server)
        keys = {"read_key": secrets.token_hex(16), "admin_key": secrets.token_hex(16)}
        server, _, http = start(asked.program, data, **keys)
        try:
            subprocess.run([python, HERE / "guarded.py", chromium, f"http://{http}", *keys.values()], check=True)
        finally:
            stop(server)


main()
