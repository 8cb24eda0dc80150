"""The docs draw their tables from the code, and are redrawn with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_drawn_tables_are_true():
    """No page shows a state or a finding that the code does not have (`python tools/draw_tables.py`)."""
    check = subprocess.run(
        [sys.executable, "tools/draw_tables.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, check.stdout + check.stderr
