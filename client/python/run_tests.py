"""Every check of the Python client, against a server that is started for it.

    python client/python/run_tests.py target/debug/nigh [pytest's own arguments]

Installs the package and what the checks need into a virtual environment beside the program, once.
"""

import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
#: What makes the types of the wire; another version makes other files.
GENERATOR = "grpcio-tools==1.74.0"
TOOLS = ["mypy==2.4.*", "pytest==9.2.*", "types-grpcio", "types-protobuf", "pandas-stubs"]
#: What the examples stand on.
EXAMPLES = ["langchain-core>=1", "llama-index-core>=0.13"]


def python_with(home: pathlib.Path, name: str, requirements: list[str]) -> pathlib.Path:
    folder = home / name
    python = folder / "bin" / "python"
    done, wanted = folder / "installed", "\n".join([*requirements, (HERE / "pyproject.toml").read_text()])
    if not done.exists() or done.read_text() != wanted:
        venv.create(folder, with_pip=True)
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *requirements], check=True)
        done.write_text(wanted)
    return python


def main() -> None:
    program = pathlib.Path(sys.argv[1]).absolute()
    home = program.parent.parent / "nigh-python"
    home.mkdir(parents=True, exist_ok=True)
    # Apart from the rest: it wants a protobuf of its own.
    generator = python_with(home, "generator", [GENERATOR])
    subprocess.run([generator, HERE / "scripts" / "generate.py", "--check"], check=True)
    python = python_with(home, "venv", ["-e", f"{HERE}[arrow,pandas]", *TOOLS, *EXAMPLES])
    subprocess.run([python, "-m", "mypy"], cwd=HERE, check=True)
    environment = {**os.environ, "NIGH_PROGRAM": str(program)}
    arguments = sys.argv[2:] or ["-q"]
    subprocess.run([python, "-m", "pytest", "-p", "no:cacheprovider", *arguments], cwd=HERE, env=environment, check=True)


main()
