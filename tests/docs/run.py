"""Runs what the documents say, word for word and in their order, against servers that they start.

    python tests/docs/run.py target/debug/nigh [docs/walkthrough.md ...]

Every block of `sh` and `python` in README.md and docs/ is run where its document does not say why it is not (blocks.py); configurations,
filters and tables of what was found are held against the program too. All of it happens in a folder made for it, and where the system
allows it in a network of its own, so that the ports of the documents are free.

Installs the Python client, and what documents show beside it, into a virtual environment beside the program, once. Documents whose
data or programs are not there are left out by name.
"""

import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import tomllib
import venv

import reference
import walk
from blocks import blocks, wrong
from session import Failed, Session
from stages import STAGES, Stage

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "deploy"))
from debian import program as program_of  # noqa: E402

#: What the documents' programs stand on, beside the client itself.
PACKAGES = ["pyarrow>=16", "qdrant-client"]
#: Set where this process is the one inside.
INSIDE = "NIGH_DOCS_INSIDE"


def main():
    program = pathlib.Path(sys.argv[1]).absolute()
    named = sys.argv[2:] or ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
    found = {name: blocks(ROOT / name, name) for name in named}
    if INSIDE not in os.environ:
        reference.main()
    mistakes = missing() + [line for each in found.values() for line in wrong(each)]
    if mistakes:
        sys.exit("\n".join(mistakes))
    home = program.parent.parent / "docs-tests"
    if INSIDE not in os.environ:
        prepare(home)
        os.execvpe(*inside(home))
    lo_up()
    left = [name for name in named if not document(name, found[name], program, home)]
    print(f"docs: {len(named) - len(left)} documents do what they say" + (f"; LEFT OUT: {', '.join(left)}" if left else ""))


def missing():
    """Pages that nobody would find, and pages that are not there."""
    contents, told = (ROOT / "docs/README.md").read_text(), []
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name != "README.md" and f"({path.name})" not in contents:
            told.append(f"docs/README.md does not lead to {path.name}")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not (path.parent / link).exists():
                told.append(f"docs/{path.name}: there is no {link}")
    return told


def prepare(home):
    """Everything for which a network is needed."""
    python = home / "venv" / "bin" / "python"
    wanted = "\n".join([*PACKAGES, (ROOT / "client/python/pyproject.toml").read_text()])
    done, wheels = home / "installed", home / "wheels"
    quiet = ["--quiet", "--disable-pip-version-check"]
    if not done.exists() or done.read_text() != wanted:
        venv.create(home / "venv", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES, ROOT / "client/python"], check=True)
        # What `pip install ./client/python` asks a registry for.
        shutil.rmtree(wheels, ignore_errors=True)
        build = tomllib.loads((ROOT / "client/python/pyproject.toml").read_text())["build-system"]["requires"]
        subprocess.run([python, "-m", "pip", "download", *quiet, "-d", wheels, *build, ROOT / "client/python"], check=True)
        done.write_text(wanted)
    prometheus = program_of("prometheus", "prometheus", home.parent / "deploy")
    (home / "prometheus").write_text(str(pathlib.Path(prometheus).parent))
    walk.prepare(home)


def inside(home):
    """The command that is this one again: in a network and with mounts of its own, where that is allowed."""
    python = str(home / "venv" / "bin" / "python")
    again = [python, __file__, *sys.argv[1:]]
    environment = {**os.environ, INSIDE: "1"}
    for apart in (["unshare", "--net", "--mount"], ["unshare", "--map-root-user", "--net", "--mount"]):
        mounted = ["sh", "-c", 'mount -t tmpfs tmpfs /mnt && exec "$@"', "sh"]
        if subprocess.run([*apart, *mounted, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return apart[0], [*apart, *mounted, *again], environment
    print("docs: in the network of this machine, whose ports have to be free")
    return python, again, {**environment, INSIDE: "here"}


def lo_up():
    """The loopback of a new network is off."""
    if os.environ[INSIDE] == "1":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks:
            up = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP, IFF_RUNNING
            fcntl.ioctl(asks, 0x8914, up)  # SIOCSIFFLAGS


def checkout(folder, program):
    """A folder like a clone's, in which nothing of the clone is written to, with the program where a build leaves it."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("target", ".git"):
            (folder / path.name).symlink_to(path)
    for profile in ("release", "debug"):
        (folder / "target" / profile).mkdir(parents=True)
        (folder / "target" / profile / "nigh").symlink_to(program)


def environment_of(folder, home):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NIGH", "PYTHON", "VIRTUAL"))}
    data = pathlib.Path(os.environ.get("NIGH_DATA") or ROOT.parent / "shared" / "data")
    if data.exists():
        kept["NIGH_DATA"] = str(data)
    places = [folder / "target/release", home / "venv/bin", (home / "prometheus").read_text(), os.environ["PATH"]]
    # The client is installed from wheels that were fetched before.
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(home / "wheels"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    return {**kept, **pip, "VIRTUAL_ENV": str(home / "venv"), "PATH": ":".join(map(str, places))}


def document(name, found, program, home):
    """Runs a document; says what failed and ends where something did. Whether it was run."""
    needs = {block.of for block in found if block.saying == "needs"}
    environment = None
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch) / "nigh"
        checkout(folder, program)
        environment = environment_of(folder, home)
        data = pathlib.Path(environment.get("NIGH_DATA", "/nowhere"))
        if any(not (data / need).exists() for need in needs):
            return False
        if name == walk.DOCUMENT:
            environment |= walk.larger(data)
        session, count, block = Session(folder, environment), 0, None
        try:
            if name in STAGES:
                STAGES[name](Stage(session))
            for block in found:
                count += step(session, block)
            if name == walk.DOCUMENT:
                walk.look(session, home)
        except (Failed, AssertionError, OSError) as failed:
            place = block.place if block else name
            servers = "\n".join(pathlib.Path(log).read_text()[-3000:] for _, log in session.servers)
            sys.exit(f"docs: {place}: {failed}\n{servers}")
        finally:
            session.end()
    not_run = [f"{block.place} ({block.of})" for block in found if block.saying == "not run"]
    print(f"docs: {name}: {count} blocks" + (f"; not run: {', '.join(not_run)}" if not_run else ""), flush=True)
    return True


def step(session, block):
    """One block; 1 where something was done with it."""
    if block.saying == "not run":
        return 0
    if block.saying == "file":
        (session.folder / block.of).write_text(block.text)
        return 1
    if block.saying == "stopped":
        session.stop()
        session.said = session.sh(block.text)
        session.serve(session.served)
        return 1
    if block.language == "python":
        session.said = session.py(block.text)
    elif block.language == "sh":
        session.said = shell(session, block)
    elif block.language == "filter":
        for line in filter(None, map(str.strip, block.text.splitlines())):
            quoted = line.replace("'", "'\\''")
            session.sh(f"nigh count -c passages --filter '{quoted}'")
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "text":
        return found_again(session, block)
    else:
        return 0
    return 1


def shell(session, block):
    last = block.text.strip().splitlines()[-1]
    if re.match(r"(\S*/)?nigh serve\b", block.text) and not last.endswith("&"):
        return session.serve(block.text, block.saying == "beside")
    if block.saying == "beside":
        return session.run_beside(block.text)
    return session.sh(block.text, block.saying == "refused")


def found_again(session, block):
    """Hits that a document shows below a query are those that the query before it found: their places, and which."""
    hits = lambda text: re.findall(r"^ +(\d+)  (\S+) +\S+  \{", text, re.MULTILINE)
    if not hits(block.text):
        return 0
    if hits(block.text) != hits(session.said):
        raise Failed(f"shows\n{block.text}\nand now there is\n{session.said}")
    return 1


main()
