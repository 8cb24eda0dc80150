"""A relay that is meant to be killed: accepts and delivers under load, in a process of its own.

    python -m tests.relay.victim FOLDER PORT NODE

Reads commands from standard input. `load` and `drain` fork a child that opens the store of FOLDER, delivers
to the receiver at PORT, and (load) accepts messages in several threads; the child's id is printed, and
`ended` once it is dead. What was accepted is written to FOLDER/accepted-NODE after the commit was answered:
that is what a sender would know. Forking saves the seconds of importing; the child is a process like any
other. NODE, from 0, tells the messages of several victims on one database apart; their lanes are the same.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapter.errors import StoreError
from adapter.relay import delivery, transport
from adapter.relay.clock import SystemClock
from adapter.relay.message import LIVE
from tests.relay.world import CLINIC, HOSPITAL, Decided, World, intake, open_store, partner

if TYPE_CHECKING:
    from adapter.relay.store import Store

LANES = 4
PAUSE = 0.004
"""Seconds a sender waits between two messages."""
APART = 10_000_000
"""Between the numbers of two victims."""


@dataclass
class Numbered(Decided):
    """Copies that say which message they are, and how many were built: a rebuilt one is not the same."""

    def copy_of(self, bundle: Any, claimed: Any, permit: Any, relay: Any, at: Any) -> dict[str, Any]:
        return {**bundle, "id": claimed.bundle_id, "built_by": os.getpid(), "at": str(at)}


def accept(store: Store, lane: int, accepted: int, first: int) -> None:
    """Be one sender: message after message into one lane, each told only after its commit.

    A message that was refused is sent again, as senders do.
    """
    for number in count(first, LANES):
        content = json.dumps({"resourceType": "Bundle", "number": number, "lane": lane}).encode()
        new = replace(
            intake(number, (CLINIC,), at=SystemClock().now(), subject=f"{lane:064x}"), content=content
        )
        while not taken(store, new):
            time.sleep(PAUSE * 10)
        os.write(accepted, b"%d\n" % number)
        time.sleep(PAUSE)


def taken(store: Store, new: Any) -> bool:
    """Hand a message in; False if the store does not take it now."""
    with suppress(StoreError):
        store.commit_intake(new)
        return True
    return False


def next_numbers(log: Path, node: int) -> list[int]:
    """Where each sender goes on: after the last one it was told of."""
    last = {lane: node * APART + lane for lane in range(LANES)}
    for line in log.read_text().split() if log.exists() else ():
        number = int(line)
        last[number % LANES] = max(last[number % LANES], number + LANES)
    return [last[lane] for lane in range(LANES)]


async def serve(folder: Path, port: int, node: int, *, load: bool) -> None:
    """Deliver; with `load` accept too, until killed; else until nothing is live."""
    clock: Any = SystemClock()
    log = folder / f"accepted-{node}"
    wire = transport.HttpTransport()
    with open_store(folder, clock) as store:
        address = f"http://127.0.0.1:{port}/fhir"
        world = World(
            store=store,
            clock=clock,
            transport=wire,
            decided=Numbered(),
            partners={key: replace(partner(key), endpoint=address) for key in (CLINIC, HOSPITAL)},
        )
        stop = asyncio.Event()
        relay: Any = world
        running = asyncio.create_task(delivery.run(relay, stop, decisions=world.decided))
        if load:
            told = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            for lane, first in enumerate(next_numbers(log, node)):
                threading.Thread(target=accept, args=(store, lane, told, first), daemon=True).start()
            await running
        while any(state in LIVE for state in store.counts()["deliveries"]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        stop.set()
        await running
        await wire.aclose()


def main(folder: Path, port: int, node: int) -> None:
    """Fork a child per command."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(serve(folder, port, node, load=line.strip() == "load"))
            finally:
                os._exit(0)
        print(child, flush=True)  # noqa: T201 - this is how it speaks
        os.waitpid(child, 0)
        print("ended", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
