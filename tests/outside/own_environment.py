"""Runs a script again where the packages are that it needs: in a virtual environment of its own,
thrown away afterwards."""
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

INSIDE = "TILLGATE_TEST_OWN_ENVIRONMENT"


def run(script, packages, main):
    """Calls `main` with the script's arguments once the packages are there."""
    if INSIDE in os.environ:
        main(*sys.argv[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
        again = [python, script, *sys.argv[1:]]
        sys.exit(subprocess.run(again, env={**os.environ, INSIDE: "1"}).returncode)
