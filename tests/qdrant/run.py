"""The official clients and frameworks that stand on them, against a server that is started for them.

    python tests/qdrant/run.py target/debug/nigh

Installs the Python ones into virtual environments beside the program and the JavaScript one into a folder there, once.
Without node the JavaScript client is left out, and that is said. Where QDRANT_BINARY names the program of a Qdrant server, the
same random calls are made to one of these too, and all answers compared.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv

import real

HERE = pathlib.Path(__file__).parent
# The last one with `search`, and a newest.
CLIENTS = {"search": ["qdrant-client==1.15.1"], "query": ["qdrant-client>=1.20", "qdrant-edge-py>=0.9"]}
MALFORMED = ["schemathesis>=4.3"]
FRAMEWORKS = {
    "langchain": ["langchain-qdrant>=1.1"],
    "llama_index": ["llama-index-vector-stores-qdrant>=0.10"],
    "haystack": ["qdrant-haystack>=13"],
}
JAVASCRIPT = "@qdrant/js-client-rest@1"


def python_with(home, name, requirements):
    folder = home / f"qdrant-{name}"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, *requirements], check=True)
    return python


def javascript(home, url):
    if not (shutil.which("node") and shutil.which("npm")):
        print("javascript: NOT CHECKED, there is no node here")
        return
    folder = home / "javascript"
    folder.mkdir(exist_ok=True)
    if not (folder / "node_modules").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", JAVASCRIPT], cwd=folder, check=True)
    subprocess.run(["node", (HERE / "javascript.mjs").resolve(), url], cwd=folder, check=True)


def rust(home, grpc):
    command = ["cargo", "run", "--quiet", "--manifest-path", HERE / "rust" / "Cargo.toml", "--", f"http://127.0.0.1:{grpc}"]
    subprocess.run(command, check=True, env=os.environ | {"CARGO_TARGET_DIR": str(home.resolve() / "rust")})


def copied(program, grpc):
    """A collection that is copied, and copied again: the second time nothing is left to do."""
    at = ["--addr", f"127.0.0.1:{grpc}", "--from-qdrant", f"http://127.0.0.1:{grpc}"]
    command = [program, "import", *at, "--from-collection", "langchain_hybrid", "--collection", "copied", "--output", "json"]
    for points, there in [(4, 0), (0, 4)]:
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        assert (told["points"], told["there"]) == (points, there), told
    print("import: a collection is copied, once")


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
            grpc = re.search(r"gRPC [0-9.]+:([0-9]+)", said).group(1)
            for name, requirements in CLIENTS.items():
                python = python_with(home, name, requirements)
                for transport in [[], ["grpc"]]:
                    subprocess.run([python, HERE / "program.py", url, grpc, name, *transport], check=True)
                    subprocess.run([python, HERE / "every_call.py", url, grpc, *transport], check=True)
            for seed in range(1, 4):
                for transport in [[], ["--grpc", grpc]]:
                    calls = ["--calls", "300", "--seed", str(seed), *transport]
                    subprocess.run([python, HERE / "same_answers.py", url, *calls], check=True)
            for seed in range(1, 4):
                for transport in [[], ["--grpc", grpc]]:
                    calls = ["--edge", "--calls", "700", "--seed", str(seed), *transport]
                    subprocess.run([python, HERE / "same_answers.py", url, *calls], check=True)
            with real.server() as other:
                if other is None:
                    print("a Qdrant server: NOT CHECKED, QDRANT_BINARY names none")
                for seed in range(1, 4) if other else ():
                    for transport in [[], ["--grpc", grpc]]:
                        calls = ["--other", other, "--calls", "700", "--seed", str(seed), *transport]
                        subprocess.run([python, HERE / "same_answers.py", url, *calls], check=True)
            for transport in [[], ["grpc"]]:
                subprocess.run([python, HERE / "documents.py", url, grpc, *transport], check=True)
            for name, requirements in FRAMEWORKS.items():
                python = python_with(home, name, requirements)
                subprocess.run([python, HERE / "frameworks.py", name, url, grpc], check=True)
            copied(program, grpc)
            javascript(home, url)
            rust(home, grpc)
            subprocess.run([sys.executable, HERE / "covered.py", url], check=True)
            python = python_with(home, "malformed", MALFORMED)
            subprocess.run([python, HERE / "malformed.py", url, "--examples", "3"], check=True)
        finally:
            server.terminate()
            server.wait()


main()
