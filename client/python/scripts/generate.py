"""Makes the types of the wire anew: src/nigh/v1 of proto/nigh/v1.

    python client/python/scripts/generate.py [--check]

Needs grpcio-tools (see run_tests.py for the version). With --check nothing is written: it fails where what is there is
not what would be made.
"""

import importlib.resources
import pathlib
import sys
import tempfile

from grpc_tools import protoc

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parents[2] / "proto"
TYPES = HERE.parent / "src"


def generate(into: pathlib.Path) -> None:
    files = sorted(str(path) for path in (PROTO / "nigh" / "v1").glob("*.proto"))
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    places = ["-I", str(PROTO), "-I", str(well_known)]
    if protoc.main(["protoc", *places, f"--python_out={into}", f"--pyi_out={into}", *files]) != 0:
        sys.exit("protoc failed")
    (into / "nigh" / "v1" / "__init__.py").write_text('"""The types of the wire, generated; other modules of the package face them."""\n')


def texts(root: pathlib.Path) -> dict[str, str]:
    found = (root / "nigh" / "v1").glob("*.py*")
    return {path.name: path.read_text() for path in found if path.suffix in (".py", ".pyi")}


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        with tempfile.TemporaryDirectory() as folder:
            generate(pathlib.Path(folder))
            made, there = texts(pathlib.Path(folder)), texts(TYPES)
            differ = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
            if differ:
                sys.exit(f"out of date, run scripts/generate.py: {', '.join(differ)}")
    else:
        generate(TYPES)


if __name__ == "__main__":
    main()
