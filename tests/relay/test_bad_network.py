"""Receivers and networks at their worst, over real sockets: nothing is lost, changed or out of order."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.relay import delivery, transport
from adapter.relay.clock import SetClock
from tests.relay.bad_network import FAULTS, BadNetwork
from tests.relay.world import CLINIC, HOSPITAL, NOON, World, open_store, partner

if TYPE_CHECKING:
    from pathlib import Path

LANES = 5
PACE = delivery.Pace(deadline=timedelta(seconds=0.4))


async def deliver(world: World, network: BadNetwork, *, outage: bool) -> None:
    """Deliver until nothing is live; the clock is moved on whenever nothing is due."""
    await network.open()
    address = f"http://127.0.0.1:{network.port}/fhir"
    wire = world.transport = transport.HttpTransport()
    world.partners = {key: replace(partner(key), endpoint=address) for key in (CLINIC, HOSPITAL)}
    relay: Any = world
    for round_ in range(20_000):
        if outage and round_ in (3, 9):
            await (network.close() if round_ == 3 else network.open())
        if await delivery.deliver_due(relay, pace=PACE, decisions=world.decided):
            continue
        if set(world.store.counts()["deliveries"]) <= {"acknowledged"}:
            break
        world.clock.move(timedelta(minutes=3))
    await wire.aclose()
    await network.close()


def test_whatever_the_receivers_network_does_each_message_arrives_and_none_is_changed(folder: Path) -> None:
    """Refused, reset mid-body, answer lost, drip, garbage, huge, redirect, busy: by a seed that is shown."""
    walk(folder, seed(), messages=20, times=3)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(25))
def test_whatever_the_receivers_network_does_for_long(folder: Path, number: int) -> None:
    """The same with many seeds, and more faults each."""
    walk(folder, seed(), messages=80, times=30)


def seed() -> int:
    """A fresh one, or the one to be repeated: `SILTA_SEED`."""
    return int(os.environ.get("SILTA_SEED", secrets.randbits(32)))


def walk(place: Path, drawn: int, *, messages: int, times: int) -> None:
    """Accept, deliver through the faults, and compare."""
    sys.stdout.write(f"SILTA_SEED={drawn}\n")
    draw = random.Random(drawn)  # noqa: S311 - faults, no secret
    network = BadNetwork(draw, times)
    clock = SetClock(NOON)
    with open_store(place, clock) as store:
        world = World(store=store, clock=clock)
        sent = [world.take(n, CLINIC, subject=f"{n % LANES:064x}") for n in range(1, messages + 1)]
        asyncio.run(deliver(world, network, outage=True))

        assert store.counts()["deliveries"] == {"acknowledged": messages}
        assert store.verify_audit() is None
    bodies: defaultdict[str, set[bytes]] = defaultdict(set)
    for identifier, body in network.taken:
        bodies[identifier].add(body)
    headers = {new.deliveries[0].header_id: new for new in sent}
    assert set(bodies) == set(headers)
    assert {len(each) for each in bodies.values()} == {1}
    first_seen: defaultdict[str | None, list[str]] = defaultdict(list)
    for identifier in dict.fromkeys(identifier for identifier, _ in network.taken):
        first_seen[headers[identifier].subject].append(identifier)
    for subject, seen in first_seen.items():
        assert seen == [id for id, new in headers.items() if new.subject == subject]
    assert set(network.met) == set(FAULTS)
