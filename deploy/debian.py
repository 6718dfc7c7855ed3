"""Programs of Debian's packages, which are unpacked and not installed."""

import pathlib
import shutil
import subprocess
import tempfile


def program(name: str, package: str, home: pathlib.Path) -> str:
    """The system's own program, or that of the package, in a folder of ours."""
    found = shutil.which(name) or str(home / package / "usr" / "bin" / name)
    if not pathlib.Path(found).exists():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as folder:
            subprocess.run(["apt-get", "update", "-qq"], check=True)
            subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", package], cwd=folder, check=True)
            (file,) = pathlib.Path(folder).glob(f"{package}_*.deb")
            subprocess.run(["dpkg", "-x", file, home / package], check=True)
    return found
