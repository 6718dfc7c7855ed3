"""The official Python client, old and new, against a server that is started for it.

    python tests/qdrant/run.py target/debug/nigh

Installs the clients into virtual environments beside the program, once.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).parent
# The last one with `search`, and a newest.
CLIENTS = {"search": "qdrant-client==1.15.1", "query": "qdrant-client>=1.20"}


def python_with(home, name, requirement):
    folder = home / f"qdrant-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, requirement], check=True)
    return python


def main():
    program = pathlib.Path(sys.argv[1])
    home = program.parent.parent / "qdrant-clients"
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        addresses = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        command = [program, "serve", "--data", os.path.join(data, "data"), *addresses]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            said = server.stdout.readline()
            url = "http://" + re.search(r"HTTP ([0-9.:]+)", said).group(1)
            for name, requirement in CLIENTS.items():
                python = python_with(home, name, requirement)
                subprocess.run([python, HERE / "program.py", url, name], check=True)
            for seed in range(1, 4):
                calls = ["--calls", "300", "--seed", str(seed)]
                subprocess.run([python, HERE / "same_answers.py", url, *calls], check=True)
        finally:
            server.terminate()
            server.wait()


main()
