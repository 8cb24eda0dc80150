"""kill -9 at any moment: nothing accepted is lost, repeats are byte-identical, lanes keep their order."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapter.relay.clock import SystemClock
from tests.relay.world import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("SILTA_KILLS", "22"))
LONGEST_LIFE = 1.2
"""Seconds until a child is killed, at most; the shortest is none at all."""


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One of our scripts in a process of its own, stopped at the end."""
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.communicate()


def told(running: subprocess.Popen[str], command: str) -> int:
    """Give a command; the id of the child that does it."""
    assert running.stdin is not None
    assert running.stdout is not None
    running.stdin.write(f"{command}\n")
    running.stdin.flush()
    return int(running.stdout.readline())


def ended(running: subprocess.Popen[str]) -> None:
    """Wait until the child is dead."""
    assert running.stdout is not None
    assert running.stdout.readline().strip() == "ended"


def kill_and_count(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill a loaded relay `kills` times, let it drain, and compare what was accepted with what arrived."""
    draw = random.Random(seed)  # noqa: S311 - moments, no secret
    port = folder / "port"
    with process("tests.relay.receiver", str(folder / "log"), str(port)):
        while not port.exists():
            time.sleep(0.01)
        with process("tests.relay.victim", str(folder), port.read_text()) as zygote:
            for _ in range(kills):
                child = told(zygote, "load")
                time.sleep(draw.uniform(0, LONGEST_LIFE))
                os.kill(child, signal.SIGKILL)
                ended(zygote)
            told(zygote, "drain")
            ended(zygote)
    return _compared(folder)


def _compared(folder: Path) -> dict[str, int]:
    accepted = {int(line) for line in (folder / "accepted").read_text().split()}
    digests: defaultdict[str, set[str]] = defaultdict(set)
    first_seen: defaultdict[str, list[int]] = defaultdict(list)
    requests = 0
    for line in (folder / "log").read_text().splitlines():
        identifier, digest, number, lane = line.split()
        requests += 1
        if identifier not in digests:
            first_seen[lane].append(int(number))
        digests[identifier].add(digest)
    arrived = {number for lane in first_seen.values() for number in lane}
    with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
        bad = store.verify_audit()
        undelivered = sum(n for state, n in store.counts()["deliveries"].items() if state != "acknowledged")
    return {
        "accepted": len(accepted),
        "lost": len(accepted - arrived),
        "undelivered": undelivered,
        "repeats": requests - len(digests),
        "changed repeats": sum(len(each) > 1 for each in digests.values()),
        "lanes out of order": sum(numbers != sorted(numbers) for numbers in first_seen.values()),
        "bad audit rows": 0 if bad is None else 1,
    }


def check(folder: Path, kills: int) -> None:
    """Run it with a fresh seed, and say the seed."""
    seed = int(os.environ.get("SILTA_SEED", secrets.randbits(32)))
    print(f"SILTA_SEED={seed} SILTA_KILLS={kills}")  # noqa: T201 - shown when the test fails
    found = kill_and_count(folder, kills, seed)
    print(found)  # noqa: T201
    assert found["accepted"] > kills
    kept = ("lost", "undelivered", "changed repeats", "lanes out of order", "bad audit rows")
    assert {name: found[name] for name in kept} == dict.fromkeys(kept, 0)


@pytest.mark.timeout(180)
def test_a_killed_relay_loses_nothing(tmp_path: Path) -> None:
    """SIGKILL at random moments under load: 0 lost, repeats byte-identical, order kept, audit chain whole."""
    check(tmp_path, KILLS)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_relay_killed_a_thousand_times_loses_nothing(tmp_path: Path) -> None:
    """The same a thousand times, or as often as SILTA_KILLS says."""
    check(tmp_path, int(os.environ.get("SILTA_KILLS", "1000")))
