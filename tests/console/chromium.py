"""Chromium, and what drives it."""

import os
import pathlib
import shutil
import subprocess
import venv

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
PACKAGES = ["playwright>=1.50", "pillow>=11"]


def browser():
    """The system's Chromium; it is installed where there is none and that is allowed."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found or not shutil.which("apt-get") or os.geteuid() != 0:
        return found
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"], **quiet)
    return shutil.which("chromium")


def python_with(home: pathlib.Path) -> pathlib.Path:
    """A Python that drives it."""
    folder = home / "browser"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *quiet, *PACKAGES], check=True)
    return python
