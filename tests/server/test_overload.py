"""Overload: 503 with Retry-After before memory grows, and what was accepted still leaves."""

from __future__ import annotations

import asyncio
import resource
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter import config
from adapter.cli import site
from adapter.cli.demo import BEGINS
from adapter.cli.stage import RunningClock
from adapter.config.run import running
from adapter.relay.message import LIVE
from adapter.server import doors
from adapter.server.budgets import MEGABYTE, DoorBudget, Load
from adapter.server.listen import bind
from adapter.shipped import folder
from tests.patience import PATIENCE
from tests.relay.world import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.config.run import Running

AT_ONCE = doors.LONGEST_QUEUE + 80
ENOUGH = 5
MEGABYTES = 120
"""By which the process, callers and all, may grow: the bodies alone would be more."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """An adapter in a thread, whose partners acknowledge at once; its parts and the hospital's token."""
    with adapter(tmp_path_factory.mktemp("overload")) as parts:
        yield parts


@contextmanager
def adapter(place: Path) -> Iterator[tuple[Running, str]]:
    """Run it while the block runs."""
    listener = bind("127.0.0.1", 0)
    settings = config.load(site.make(place / "site"))
    settings = replace(settings, budget=DoorBudget(bytes=4 * MEGABYTE))
    begun, ready, ends = threading.Event(), [], []

    async def main() -> None:
        end = asyncio.Event()
        clock = RunningClock(BEGINS, time.monotonic())
        async with running(settings, listener, clock=clock, transport=Wire()) as at_work:
            ends.append((asyncio.get_running_loop(), end))
            ready.append(at_work)
            begun.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert begun.wait(120)
    yield ready[0], (place / "site" / "tokens" / "tuulilahti.token").read_text("utf-8").strip()
    loop, end = ends[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(60)


def request(token: str, body: bytes) -> bytes:
    """The bytes of a submission."""
    return (
        b"POST /ingest/ehr1 HTTP/1.1\r\nHost: silta\r\nContent-Type: x-application/hl7-v2+er7\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (token.encode(), len(body))
    ) + body


def validation(token: str) -> bytes:
    """The bytes of a question whether a resource is valid."""
    body = b'{"resourceType":"Patient"}'
    return (
        b"POST /fhir/$validate HTTP/1.1\r\nHost: silta\r\nContent-Type: application/fhir+json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n" % (token.encode(), len(body))
    ) + body


async def post(port: int, token: str, body: bytes) -> tuple[int, bytes]:
    """Submit over a connection of its own; status and head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(token, body))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), head


async def never_end(port: int, token: str, body: bytes, refused: list[bytes], enough: asyncio.Event) -> None:
    """Send all but the last byte, and note if it is answered all the same, until enough were."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(request(token, body)[:-1])
        answered = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        waiting = asyncio.ensure_future(enough.wait())
        await asyncio.wait({answered, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if answered.done():
            refused.append(answered.result())
            if len(refused) >= ENOUGH:
                enough.set()
        answered.cancel()
    writer.transport.abort()


def notification(number: int) -> bytes:
    """One of many: another control id, another procedure of another visit."""
    body = (folder("fixtures") / "notification" / "back-surgery.hl7").read_bytes()
    for name in (b"OB260302-0001", b"V2603-118", b"T2603-77"):
        assert name in body
        body = body.replace(name, b"%s-%05d" % (name, number))
    return body


def test_overload_is_refused_in_time_and_what_was_accepted_leaves(loaded: tuple[Running, str]) -> None:
    """More at once than may wait: some get 503 and Retry-After, the others are stored and delivered.

    Another organisation is answered while the first is refused.
    """
    at_work, token = loaded
    port = int(at_work.address.rpartition(":")[2])
    tokens = at_work.deployment.settings.file.parent / "tokens"
    other = (tokens / "kaskela.token").read_text("utf-8").strip()
    others: list[int] = []

    async def all_at_once() -> list[tuple[int, bytes]]:
        is_full = asyncio.Event()

        async def one(number: int) -> tuple[int, bytes]:
            answered = await post(port, token, notification(number))
            if answered[0] == 503:
                is_full.set()
            return answered

        flood = asyncio.gather(*(one(number) for number in range(AT_ONCE)))
        await asyncio.wait_for(is_full.wait(), PATIENCE)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(validation(other))
        others.append(int((await reader.readuntil(b"\r\n")).split()[1]))
        others.append(flood.done())
        writer.close()
        return await flood

    store = at_work.deployment.store
    stored = sum(store.counts()["messages"].values())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answers = asyncio.run(all_at_once())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024

    assert others == [200, False]
    count = Counter(status for status, _ in answers)
    refused = [head for status, head in answers if status == 503]
    assert set(count) == {200, 503}
    assert all(b"retry-after:" in head.lower() for head in refused)
    assert sum(store.counts()["messages"].values()) == stored + count[200]
    deadline = time.monotonic() + PATIENCE
    while any(state in LIVE for state in store.counts()["deliveries"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert grown < MEGABYTES


def test_overload_by_large_bodies_is_refused_while_they_arrive(loaded: tuple[Running, str]) -> None:
    """A hundred of 3 MB that never end: what is beyond the load is refused, and then all is as before."""
    at_work, token = loaded
    port = int(at_work.address.rpartition(":")[2])

    refused: list[bytes] = []

    async def fat() -> None:
        body, enough = notification(90_000) + bytes(3 * MEGABYTE), asyncio.Event()
        async with asyncio.timeout(120):
            await asyncio.gather(*(never_end(port, token, body, refused, enough) for _ in range(100)))

    asyncio.run(fat())

    assert ENOUGH <= len(refused) <= 20
    assert all(head.startswith(b"HTTP/1.1 503") and b"retry-after:" in head.lower() for head in refused)
    assert asyncio.run(post(port, token, notification(90_001)))[0] == 200


def test_the_load_gives_back_what_it_held() -> None:
    """What a request held counts until its answer, and not a byte longer."""

    class Request:
        class state:  # noqa: N801
            held = 0

    load, request = Load(most=10), Request()
    load.take(request, 6)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="IN112"):
        load.take(request, 5)  # type: ignore[arg-type]
    load.give_back(request)  # type: ignore[arg-type]
    assert (load.held, request.state.held) == (0, 0)
