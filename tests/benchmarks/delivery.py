"""How fast the store accepts and the engine delivers, as ratios of what the same machine does bare.

Every figure is the median of interleaved rounds, and a ratio the median of those of the rounds, so that other
work on the machine touches both sides alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.relay import delivery
from adapter.relay.clock import CountedIds, SystemClock
from adapter.relay.message import DeliveryState
from adapter.relay.store import claims, leases
from adapter.relay.store import intake as accepts
from adapter.relay.transport import HttpTransport, Outbound
from tests.relay.disk import failing_disk
from tests.relay.world import CLINIC, HOSPITAL, Decided, World, intake, new_delivery, open_store, partner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapter.relay.message import Intake
    from adapter.relay.store import Store

ROUNDS = 3
MESSAGES = int(os.environ.get("SILTA_BENCH_MESSAGES", "500"))
SMALL, LARGE = 2_000, int(os.environ.get("SILTA_BENCH_BACKLOG", "100000"))
AT_ONCE = 16
FILLER = "x" * 4_000
SYNC_SECONDS = 0.002
"""What a sync of an ordinary solid-state disk takes that does not trust its cache."""
RAW = "sqlite3, WAL FULL, one row of 4 kB per commit"


class _Copies(Decided):
    """Decisions that cost nothing: the engine alone is measured."""

    def copy_of(self, bundle: Any, claimed: Any, permit: Any, relay: Any, at: Any) -> dict[str, Any]:
        self.copies += 1
        return {"resourceType": "Bundle", "id": claimed.bundle_id, "filler": FILLER}


def run() -> list[dict[str, Any]]:
    """Measure everything; one row per figure."""
    with tempfile.TemporaryDirectory(prefix="silta-bench-") as folder:
        place = Path(folder)
        return [*_accept(place), _accept_slowly(place), *_deliver(place), _claim(place)]


def _row(name: str, ours: float, peer: float, peer_name: str, target: str, unit: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "peer_name": peer_name,
        "ratio": round(ours / peer, 3),
        "target": target,
        "unit": unit,
    }


def of_rounds(
    name: str, ours: Sequence[float], peer: Sequence[float], peer_name: str, target: str, unit: str
) -> dict[str, Any]:
    """Return a row of figures that were measured in turns."""
    row = _row(name, statistics.median(ours), statistics.median(peer), peer_name, target, unit)
    ratio = statistics.median(one / other for one, other in zip(ours, peer, strict=True))
    return {**row, "ratio": round(ratio, 3)}


def _messages(first: int, count: int) -> list[Intake]:
    content = json.dumps({"resourceType": "Bundle", "filler": FILLER}).encode()
    now = SystemClock().now()
    return [
        replace(
            intake(number, (CLINIC,), at=now, subject=f"{number % 500:064x}"),
            content=content,
            original=b"%d %s" % (number, FILLER.encode()),
        )
        for number in range(first, first + count)
    ]


def _accept(place: Path) -> list[dict[str, Any]]:
    ours, peer, cpu = [], [], []
    for turn in range(ROUNDS):
        peer.append(_raw_commits(place / f"raw{turn}.db", MESSAGES))
        folder = place / f"accept{turn}"
        folder.mkdir()
        with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
            ours.append(_accepts(store, MESSAGES))
            cpu.append(_cpu_of_accepts(store))
    return [
        of_rounds(
            "durable accept, 16 at once",
            ours,
            peer,
            RAW,
            ">= 2.5, and more the slower the disk",
            "messages/s",
        ),
        _row(
            "CPU of a durable accept, the engine's share",
            statistics.median(cpu) * 1000,
            1000 / statistics.median(peer),
            "one such raw commit",
            "<= 0.3 ms",
            "ms",
        ),
    ]


def _accept_slowly(place: Path) -> dict[str, Any]:
    """The same on a disk that answers later: what a group shares is the wait."""
    ours, peer = [], []
    with failing_disk() as disk:
        disk.when = _waits_for_sync
        for turn in range(ROUNDS):
            peer.append(_raw_commits(place / f"slow{turn}.db", MESSAGES))
            folder = place / f"slowly{turn}"
            folder.mkdir()
            with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
                ours.append(_accepts(store, MESSAGES))
    name = f"durable accept, 16 at once, each sync {SYNC_SECONDS * 1000:g} ms longer"
    return of_rounds(name, ours, peer, RAW, ">= 2.5", "messages/s")


def _waits_for_sync(kind: str, _file: str) -> None:
    if kind == "sync":
        time.sleep(SYNC_SECONDS)


def _accepts(store: Store, count: int) -> float:
    """Messages a second that as many threads as `AT_ONCE` hand over, each waiting for its commit."""
    new = _messages(1, count)
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(store.commit_intake, new))
    return count / (time.perf_counter() - started)


def _cpu_of_accepts(store: Store) -> float:
    """CPU seconds of the whole process for each accept, all handed over at once by one thread."""
    new = _messages(2_000_000, MESSAGES)
    started = time.process_time()
    waiting = [store.submit(accepts.commit, accepts.prepare(each, store._vault)) for each in new]
    for each in waiting:
        each.result()
    return (time.process_time() - started) / MESSAGES


def _raw_commits(file: Path, count: int) -> float:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE row (id TEXT PRIMARY KEY, body BLOB)")
    body = FILLER.encode()
    started = time.perf_counter()
    for number in range(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO row VALUES (?, ?)", (str(number), body))
        connection.execute("COMMIT")
    took = time.perf_counter() - started
    connection.close()
    return count / took


@contextmanager
def _receiver(place: Path) -> Iterator[int]:
    """A receiver in a process of its own; gives its port."""
    port = place / "port"
    port.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.relay.receiver", str(place / "log"), str(port), "--mute"],
        cwd=Path(__file__).parents[2],
    )
    try:
        while not port.exists():
            time.sleep(0.01)
        yield int(port.read_text())
    finally:
        process.terminate()
        process.wait()


def _deliver(place: Path) -> list[dict[str, Any]]:
    ours, peer, latency = [], [], []
    with _receiver(place) as port:
        for turn in range(ROUNDS):
            peer.append(asyncio.run(_bare(port, MESSAGES)))
            folder = place / f"deliver{turn}"
            folder.mkdir()
            with open_store(folder, SystemClock()) as store:  # type: ignore[arg-type]
                with ThreadPoolExecutor(AT_ONCE) as threads:
                    list(threads.map(store.commit_intake, _messages(1, MESSAGES)))
                ours.append(asyncio.run(_engine(store, port, MESSAGES)))
                latency.append(asyncio.run(_hand_over(store, port)))
    return [
        of_rounds(
            "delivery, 16 at once",
            ours,
            peer,
            "the same POSTs by the same client, bare",
            ">= 0.35",
            "messages/s",
        ),
        _row(
            "accepted to acknowledged, idle system",
            statistics.median(latency) * 1000,
            1000 / statistics.median(peer),
            "one bare POST at full load",
            "-",
            "ms",
        ),
    ]


async def _bare(port: int, count: int) -> float:
    transport = HttpTransport()
    request = Outbound(
        url=f"http://127.0.0.1:{port}/fhir/$process-message",
        headers={"Content-Type": "application/fhir+json", "X-Request-Id": "bare"},
        body=json.dumps({"resourceType": "Bundle", "filler": FILLER}).encode(),
        deadline_seconds=30,
    )
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            await transport.send(request)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    took = time.perf_counter() - started
    await transport.aclose()
    return count / took


def _world(store: Store, port: int, transport: HttpTransport) -> World:
    address = f"http://127.0.0.1:{port}/fhir"
    return World(
        store=store,
        clock=SystemClock(),  # type: ignore[arg-type]
        transport=transport,
        decided=_Copies(),
        partners={key: replace(partner(key), endpoint=address) for key in (CLINIC, HOSPITAL)},
    )


async def _until(asked: Callable[[], bool], every: float) -> None:
    """Ask from outside, again and again: the engine tells nobody."""
    while not asked():  # noqa: ASYNC110 - there is nothing to wait on
        await asyncio.sleep(every)


async def _engine(store: Store, port: int, count: int) -> float:
    transport = HttpTransport()
    world = _world(store, port, transport)
    stop = asyncio.Event()
    started = time.perf_counter()
    running = asyncio.create_task(delivery.run(world, stop, decisions=world.decided))  # type: ignore[arg-type]
    await _until(lambda: world.decided.copies >= count and _acknowledged(store) >= count, 0.02)
    took = time.perf_counter() - started
    stop.set()
    await running
    await transport.aclose()
    return count / took


def _acknowledged(store: Store) -> int:
    return store.counts()["deliveries"].get("acknowledged", 0)


def _is_acknowledged(store: Store, sent: str) -> bool:
    return store.delivery(sent).state is DeliveryState.ACKNOWLEDGED


async def _hand_over(store: Store, port: int) -> float:
    """Median seconds from before the accept to after the acknowledgement, one message at a time."""
    transport = HttpTransport()
    world = _world(store, port, transport)
    stop = asyncio.Event()
    running = asyncio.create_task(delivery.run(world, stop, decisions=world.decided))  # type: ignore[arg-type]
    times = []
    for new in _messages(1_000_000, 20):
        started = time.perf_counter()
        await asyncio.to_thread(store.commit_intake, new)
        await _until(partial(_is_acknowledged, store, new.deliveries[0].id), 0.001)
        times.append(time.perf_counter() - started)
    stop.set()
    await running
    await transport.aclose()
    return statistics.median(times)


def _claim(place: Path) -> dict[str, Any]:
    small, large = (_claim_seconds(place / f"claim{size}", size) for size in (SMALL, LARGE))
    return _row(
        f"claim of 32 at a backlog of {LARGE}, 5 recipients",
        large * 1000,
        small * 1000,
        f"the same at a backlog of {SMALL}",
        "<= 3",
        "ms",
    )


def _claim_seconds(folder: Path, backlog: int) -> float:
    """Median of a claim; the leases are taken back in between."""
    folder.mkdir()
    clock = SystemClock()
    with open_store(folder, clock) as store:  # type: ignore[arg-type]
        _fill(store, backlog)
        times = []
        for _ in range(15):
            started = time.perf_counter()
            store.submit(claims.claim, clock.now(), 32).result()
            times.append(time.perf_counter() - started)
            store.submit(leases.recover, clock.now(), everything=True).result()
        return statistics.median(times)


def _fill(store: Store, backlog: int) -> None:
    now = SystemClock().now()
    ids = CountedIds(999)
    each = 1_000
    for number in range(backlog // each):
        many = tuple(
            new_delivery(ids, f"urn:oid:1.2.246.10.{2 + one % 5}", now, subject=f"{one % 50}")
            for one in range(each)
        )
        store.commit_intake(replace(intake(number + 1, (), at=now), deliveries=many))


if __name__ == "__main__":
    for row in run():
        print(row)
