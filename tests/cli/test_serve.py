"""`silta serve` and the signals that end it."""

from __future__ import annotations

import subprocess
import sys

from adapter.cli import INCOMPLETE

TWICE = """
import asyncio
from adapter.cli.serve import _stop
stop = asyncio.Event()
_stop(stop)
print("stopping" if stop.is_set() else "not stopping", flush=True)
_stop(stop)
print("went on", flush=True)
"""


def test_a_first_signal_asks_for_an_orderly_end_and_a_second_one_ends_at_once() -> None:
    """Whoever cannot wait for what is on the wire need not kill."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (INCOMPLETE, ["stopping"])
