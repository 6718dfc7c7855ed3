"""Every check of the Python client, against a server that is started for it.

    python client/python/run_tests.py target/debug/nigh [pytest's own arguments]

Installs the package and what the checks need into a virtual environment beside the program, once.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

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


def wheel(python: pathlib.Path, home: pathlib.Path) -> None:
    """Builds what would be published, and looks whether all of the package is in it."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([python, "-m", "pip", "wheel", *quiet, "--wheel-dir", folder, HERE], check=True)
        (built,) = pathlib.Path(folder).glob("nigh-*.whl")
        packed = {name for name in zipfile.ZipFile(built).namelist() if name.startswith("nigh/")}
        here = (path for path in (HERE / "src" / "nigh").rglob("*.*") if path.suffix in (".py", ".pyi", ".typed"))
        missing = {str(path.relative_to(HERE / "src")) for path in (*here, HERE / "src/nigh/py.typed")} - packed
        assert not missing, f"not in the wheel: {missing}"
        shutil.copy(built, home)


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
    wheel(python, home)
    arguments = sys.argv[2:] or ["-q"]
    subprocess.run([python, "-m", "pytest", "-p", "no:cacheprovider", *arguments], cwd=HERE, env=environment, check=True)


main()
