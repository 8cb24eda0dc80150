"""A worker that is paused beyond its lease, and clocks that jump: nothing goes twice or out of turn."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import delivery
from adapter.relay.clock import SystemClock
from adapter.relay.message import DeliveryState
from tests.patience import PATIENCE
from tests.relay import sleeper
from tests.relay.receiver import acknowledgement, answer, read_request
from tests.relay.world import CLINIC, HOSPITAL, OTHER_CLINIC, World, intake, ok_reply, open_store, settle_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from adapter.relay.store import Store
    from adapter.relay.transport import Inbound, Outbound
    from tests.relay.cluster import Cluster

ROOT = Path(__file__).parents[2]
S = DeliveryState


class Peer:
    """A receiver in a thread: keeps what it gets, and may let a caller wait for its answer."""

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.port = 0
        self.held: threading.Event | None = None
        """What the first caller's answer waits for; it is then refused."""
        self.began = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._up = threading.Event()

    def __enter__(self) -> Peer:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader)) is not None:
            headers, body = request
            identifier = headers["x-request-id"]
            self.got.append((identifier, body))
            self.began.set()
            if self.held is not None and len(self.got) == 1:
                await asyncio.to_thread(self.held.wait, 30)
                writer.write(answer(422))
            else:
                writer.write(answer(200, acknowledgement(identifier)))
            try:
                await writer.drain()
            except ConnectionError:
                break
        writer.close()


def until(asked: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until `asked` is true, and not for ever."""
    deadline = time.monotonic() + seconds
    while not asked():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


@contextmanager
def sleeping(folder: Path, peer: Peer, *how: str) -> Iterator[int]:
    """A relay in a process of its own; its id."""
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.relay.sleeper", str(folder), str(peer.port), *how], cwd=ROOT
    )
    try:
        yield running.pid
    finally:
        running.kill()
        running.wait()


@contextmanager
def another_node(folder: Path, peer: Peer) -> Iterator[None]:
    """A relay in a thread of this process."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(sleeper.serve(folder, peer.port, stop),))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()


def is_stopped(process: int) -> bool:
    """Whether the kernel has it stopped."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def two_of_one_lane(store: Store) -> list[str]:
    """Accept two messages about one person; their copies' header ids, in order."""
    now = SystemClock().now()
    store.import_parties(dict.fromkeys((CLINIC, HOSPITAL, OTHER_CLINIC), True))
    made = [intake(number, at=now) for number in (1, 2)]
    for new in made:
        store.commit_intake(new)
    return [new.deliveries[0].header_id for new in made]


def test_a_worker_paused_before_the_socket_sends_nothing_after_its_lease(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Stopped between claim and send; another node sends both; woken again it sends neither."""
    settle_on(tmp_path, cluster.database())
    with open_store(tmp_path, SystemClock()) as store, Peer() as peer:  # type: ignore[arg-type]
        expected = two_of_one_lane(store)
        with sleeping(tmp_path, peer, "--in-decision") as process:
            until(lambda: is_stopped(process))
            with another_node(tmp_path, peer):
                until(lambda: store.counts()["deliveries"] == {"acknowledged": 2})
            os.kill(process, signal.SIGCONT)
            store.commit_intake(intake(3, at=SystemClock().now()))
            until(lambda: store.counts()["deliveries"] == {"acknowledged": 3})
        assert [identifier for identifier, _ in peer.got[:2]] == expected
        assert len(peer.got) == 3
        assert store.verify_audit() is None


@pytest.mark.long
def test_a_worker_paused_on_the_wire_changes_nothing_when_its_answer_comes_late(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Its lease ends while its answer is held back; another node repeats the same bytes and goes on."""
    settle_on(tmp_path, cluster.database())
    with open_store(tmp_path, SystemClock()) as store, Peer() as peer:  # type: ignore[arg-type]
        first, second = two_of_one_lane(store)
        peer.held = threading.Event()
        with sleeping(tmp_path, peer) as process:
            assert peer.began.wait(30)
            os.kill(process, signal.SIGSTOP)
            with another_node(tmp_path, peer):
                until(lambda: store.counts()["deliveries"] == {"acknowledged": 2})
            peer.held.set()
            os.kill(process, signal.SIGCONT)
            (row,) = store.deliveries(intake(1).message)
            until(lambda: len(store.attempts(row.id)) == 2)
        assert [identifier for identifier, _ in peer.got] == [first, first, second]
        assert len({body for identifier, body in peer.got if identifier == first}) == 1
        assert store.delivery(row.id).state is S.ACKNOWLEDGED
        assert store.counts()["deliveries"] == {"acknowledged": 2}
        assert store.verify_audit() is None


@pytest.mark.long
def test_a_paused_relay_on_a_file_sends_once_when_it_wakes(tmp_path: Path) -> None:
    """Alone on its file it finds its lease ended: it gives the copy back, claims anew, and sends it once."""
    with open_store(tmp_path, SystemClock()) as store:  # type: ignore[arg-type]
        expected = two_of_one_lane(store)
    with Peer() as peer:
        with sleeping(tmp_path, peer, "--in-decision") as process:
            until(lambda: is_stopped(process))
            time.sleep(sleeper.LEASE.total_seconds())
            assert peer.got == []
            os.kill(process, signal.SIGCONT)
            until(lambda: len(peer.got) == 2)
            time.sleep(0.3)
        assert [identifier for identifier, _ in peer.got] == expected
    with open_store(tmp_path, SystemClock()) as store:  # type: ignore[arg-type]
        (row,) = store.deliveries(intake(1).message)
        assert "DL102" in [each.reason for each in store.timeline(row.message)]


# Clock jumps ----------------------------------------------------------------------------------------------


class Set(SystemClock):
    """The machine's clock, as somebody sets it."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.by


@pytest.mark.parametrize("by", [timedelta(hours=1), timedelta(hours=-1)], ids=["forward", "back"])
def test_q4_a_clock_that_jumps_neither_repeats_nor_loses_a_delivery(
    folder: Path, by: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    """Set by an hour while a copy is on the wire: it goes once, and so does all the rest."""
    clock, sent, jumped = Set(), [], asyncio.Event()

    class Slow:
        async def send(self, request: Outbound) -> Inbound:
            sent.append(request.headers["X-Request-Id"])
            if len(sent) == 1:
                clock.by = by
                jumped.set()
                await asyncio.sleep(0.6)
            return ok_reply(request)

    async def acknowledged(store: Store, count: int) -> None:
        async with asyncio.timeout(30):
            while store.counts()["deliveries"].get("acknowledged", 0) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def deliver(world: Any) -> None:
        stop = asyncio.Event()
        engine = asyncio.create_task(delivery.run(world, stop, pace=sleeper.PACE, decisions=world.decided))
        await jumped.wait()
        await asyncio.to_thread(world.take, 3, subject="3" * 64)
        await acknowledged(world.store, 2)
        clock.by = timedelta(0)
        await acknowledged(world.store, 3)
        stop.set()
        await engine

    with open_store(folder, clock) as store:  # type: ignore[arg-type]
        two_of_one_lane(store)
        asyncio.run(deliver(World(store=store, clock=clock, transport=Slow())))  # type: ignore[arg-type]
        assert store.verify_audit() is None
    assert len(sent) == len(set(sent)) == 3
    assert "clock was set" in caplog.text
