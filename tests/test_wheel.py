"""The wheel, installed elsewhere, does the main job: nothing depends on the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel as it would be published."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


def test_the_wheel_carries_the_shipped_folders(wheel):
    """Profiles, maps and fixtures travel inside, and nothing of the tests."""
    names = zipfile.ZipFile(wheel).namelist()

    for folder in ("profiles", "mappings", "fixtures"):
        assert any(name.startswith(f"adapter/_shipped/{folder}/") for name in names)
    assert not any(name.startswith("tests/") for name in names)


def test_the_installed_wheel_runs_the_demo(wheel, tmp_path):
    """`silta demo` works from an installation that has never seen the checkout.

    A person reads it: it names the systems, the steps and the clocks, and holds no identity code.
    """
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
    subprocess.run([*pip, "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    # The dependencies are those of this environment; a .pth of the new one adds the folder without
    # reading the .pth of the old one, so the checkout itself stays out of sight.
    site = next((home / "lib").glob("python*")) / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    run = subprocess.run(
        [home / "bin" / "silta", "demo"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    for words in ("came in", "mapped", "validated", "why they", "why not", "clocks", "Where to look further"):
        assert words in run.stdout
    assert not re.search(r"(?<![\w-])\d{6}[-+A-FU-Y]9\d{2}[0-9A-Y](?![\w-])", run.stdout)
