"""kill -9 at random moments under load, and what was accepted compared with what arrived.

    python -m tests.relay.torture KILLS

kills a relay on a file, one on PostgreSQL, and three relays on one PostgreSQL in turn, KILLS times in all,
and ends with one line of figures. SILTA_SEED repeats a run's moments.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.relay.clock import SystemClock
from tests.relay.cluster import running_cluster
from tests.relay.victim import APART
from tests.relay.world import open_store, settle_on

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
LONGEST_LIFE = 1.0
"""Seconds until a child is killed, at most; the shortest is none at all."""
LONGEST_START = 30.0
"""Seconds that every second child gets to accept something before its moment is drawn."""
SECONDS_TO_RESTART = 2.0
NEVER = ("lost", "undelivered", "changed_repeats", "out_of_order", "bad_audit_rows")
"""What there must be none of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a run counted."""

    kills: int
    accepted: int
    lost: int
    undelivered: int
    repeats: int
    changed_repeats: int
    out_of_order: int
    """Lanes in which some sender's messages were first seen in another order than accepted."""
    bad_audit_rows: int
    restart_seconds: float
    """From a start to the first delivery after it: the median."""

    @property
    def faults(self) -> dict[str, int]:
        """What went wrong, by name."""
        return {name: getattr(self, name) for name in NEVER if getattr(self, name)}

    def line(self) -> str:
        """All of it on one line."""
        return (
            f"{self.kills} kills, {self.accepted} accepted, {self.lost} lost, "
            f"{self.undelivered} undelivered, {self.repeats} repeats ({self.changed_repeats} changed), "
            f"{self.out_of_order} lanes out of order, {self.bad_audit_rows} bad audit rows, "
            f"{self.restart_seconds:.2f} s from start to first delivery"
        )


def total(figures: list[Figures]) -> Figures:
    """The sum of several runs; the slowest restart of their medians."""
    names = ("kills", "accepted", "repeats", *NEVER)
    return Figures(
        **{name: sum(getattr(each, name) for each in figures) for name in names},
        restart_seconds=max(each.restart_seconds for each in figures),
    )


@contextmanager
def process(*arguments: str, cwd: Path = ROOT) -> Iterator[subprocess.Popen[str]]:
    """One of our scripts in a process of its own, stopped at the end. `cwd`: whose."""
    running = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(cwd)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        running.terminate()
        running.communicate()


class Victim:
    """One relay to be killed again and again."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        self._in, self._out = running.stdin, running.stdout
        self._child = 0
        self.starts: list[float] = []

    def do(self, command: str) -> None:
        """Give a command: a child does it."""
        self._in.write(f"{command}\n")
        self._in.flush()
        self._child = int(self._out.readline())
        self.starts.append(time.time())

    def kill(self) -> None:
        """Kill the child, and wait until it is dead."""
        os.kill(self._child, signal.SIGKILL)
        self.ended()

    def ended(self) -> None:
        """Wait until the child is dead."""
        assert self._out.readline().strip() == "ended"


def kill_and_count(folder: Path, kills: int, seed: int, victims: int = 1) -> Figures:
    """Kill loaded relays `kills` times in turn, let them drain, and compare."""
    draw = random.Random(seed)  # noqa: S311 - moments, no secret
    port = folder / "port"
    with process("tests.relay.receiver", str(folder / "log"), str(port)), ExitStack() as stack:
        while not port.exists():
            time.sleep(0.01)
        relays = [
            Victim(
                stack.enter_context(process("tests.relay.victim", str(folder), port.read_text(), str(node)))
            )
            for node in range(victims)
        ]
        for relay in relays[1:]:
            relay.do("load")
        for number in range(kills):
            if number < 1 or victims == 1:
                relays[0].do("load")
            if number % 2:
                at_work(folder)
            time.sleep(draw.uniform(0, LONGEST_LIFE))
            relay = relays[number % victims]
            relay.kill()
            if victims > 1:
                relay.do("load")
        if victims > 1:
            for relay in relays:
                relay.kill()
        relays[0].do("drain")
        relays[0].ended()
    return compared(folder, kills, relays)


def at_work(folder: Path) -> None:
    """Wait until one more message was accepted: on a busy machine a child may be dead before its first."""
    before, deadline = _told(folder), time.monotonic() + LONGEST_START
    while _told(folder) == before and time.monotonic() < deadline:
        time.sleep(0.005)


def _told(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("accepted-*"))


def compared(folder: Path, kills: int, relays: list[Victim]) -> Figures:
    """Hold what was accepted against what arrived, once all of it is drained."""
    accepted = {int(line) for file in folder.glob("accepted-*") for line in file.read_text().split()}
    digests: defaultdict[str, set[str]] = defaultdict(set)
    first_seen: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    times = []
    for line in (folder / "log").read_text().splitlines():
        identifier, digest, number, lane, at = line.split()
        times.append(float(at))
        if identifier not in digests:
            first_seen[lane, int(number) // APART].append(int(number))
        digests[identifier].add(digest)
    arrived = {number for lane in first_seen.values() for number in lane}
    with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
        bad = store.verify_audit()
        undelivered = sum(n for state, n in store.counts()["deliveries"].items() if state != "acknowledged")
    return Figures(
        kills=kills,
        accepted=len(accepted),
        lost=len(accepted - arrived),
        undelivered=undelivered,
        repeats=len(times) - len(digests),
        changed_repeats=sum(len(each) > 1 for each in digests.values()),
        out_of_order=sum(numbers != sorted(numbers) for numbers in first_seen.values()),
        bad_audit_rows=0 if bad is None else 1,
        restart_seconds=_restart(relays[0].starts, times) if len(relays) == 1 else 0.0,
    )


def _restart(starts: list[float], times: list[float]) -> float:
    """The median wait for the first delivery, over the starts that lived to see one."""
    waits = []
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else float("inf")
        waits += [
            first - start for first in [min((at for at in times if start <= at < end), default=None)] if first
        ]
    return statistics.median(waits) if waits else 0.0


def seed() -> int:
    """A fresh one, or the one to be repeated."""
    return int(os.environ.get("SILTA_SEED", secrets.randbits(32)))


def main(kills: int) -> int:
    """Kill on both engines and with three nodes; the exit code says whether anything went wrong."""
    drawn = seed()
    print(f"SILTA_SEED={drawn} KILLS={kills}")  # noqa: T201
    file, one = (kills * 2) // 5, (kills * 2) // 5
    shares = {"file": (file, 1), "postgresql": (one, 1), "postgresql, 3 nodes": (kills - file - one, 3)}
    found = []
    with running_cluster(durable=True) as cluster:
        for name, (share, victims) in shares.items():
            with tempfile.TemporaryDirectory(prefix="silta-torture-") as place:
                folder = Path(place)
                if name != "file":
                    settle_on(folder, cluster.database())
                found.append(kill_and_count(folder, share, drawn, victims))
                print(f"{name}: {found[-1].line()}")  # noqa: T201
    summed = total(found)
    print(f"total: {summed.line()}")  # noqa: T201
    return 1 if summed.faults or not summed.accepted or summed.restart_seconds > SECONDS_TO_RESTART else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
