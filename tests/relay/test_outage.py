"""Receivers that are down for days, all at once, or refuse one message: the others lose nothing by it."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from adapter.errors import TransientDelivery
from adapter.relay.message import DeliveryState
from tests.relay.world import HOSPITAL, NOON, Wire, World, ok_reply, partner, status

if TYPE_CHECKING:
    import pytest

    from adapter.relay.transport import Inbound, Outbound

S = DeliveryState
HALF_AN_HOUR = timedelta(minutes=30)
STEP = timedelta(hours=4)
STEPS = 48
"""Eight days."""
CLINICS = [f"urn:oid:1.2.246.10.{number}" for number in range(2, 7)]
DEAD = CLINICS[3]


def open_to(world: World, *keys: str) -> None:
    """Let the world have these partners, and the hospital."""
    world.partners = {key: partner(key) for key in (HOSPITAL, *keys)}


class OneDead(Wire):
    """A wire on which nobody answers at one address."""

    async def send(self, request: Outbound) -> Inbound:
        self.sent.append(request)
        if request.url.startswith(f"https://{DEAD[-1]}.example"):
            raise TransientDelivery("DL201")
        return ok_reply(request)

    def to(self, key: str) -> list[Outbound]:
        """What went to one of them."""
        return [each for each in self.sent if each.url.startswith(f"https://{key[-1]}.example")]


def test_a_receiver_down_for_days_costs_the_others_nothing_and_is_told_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One dead of five for eight days: the rest at once, its copies reported, few tries and lines."""
    open_to(world, *CLINICS)
    wire = world.transport = OneDead()
    made = []
    with caplog.at_level(logging.INFO):
        for step in range(STEPS):
            if step < 12:
                made.append(world.take(len(made) + 1, *CLINICS, subject=f"{len(made) % 6:064x}"))
                world.drain()
                rows = world.store.deliveries(made[-1].message)
                assert {row.state for row in rows if row.recipient != DEAD} == {S.ACKNOWLEDGED}
            else:
                world.drain()
            world.clock.move(STEP)

    dead = world.store.find_deliveries(recipient=DEAD)
    assert {row.state for row in dead} <= {S.PARKED, S.CLOSED}
    assert len(wire.to(HOSPITAL)) == len(made) == len(dead)
    assert len(wire.to(DEAD)) <= 2 * STEPS
    assert len(caplog.records) < 40
    assert world.store.verify_audit() is None


def test_retries_after_an_outage_are_spread_by_jitter(world: World) -> None:
    """Thirty receivers fail in the same instant, four times: the peak of what comes next is near the mean."""
    keys = [f"urn:oid:1.2.246.11.{number}" for number in range(30)]
    open_to(world, *keys)
    world.transport.steps = [TransientDelivery("DL201")]
    made = world.take(1, *keys)
    for _ in range(3):
        world.drain()
        world.clock.move(timedelta(minutes=7))
    world.drain()

    rows = [world.store.delivery(each.id) for each in made.deliveries]
    waits = [(row.due_at - world.clock.now()).total_seconds() for row in rows if row.due_at is not None]
    buckets = Counter(int(wait // 16) for wait in waits)
    mean = len(waits) / 8  # the fourth wait is 320 s, 20 % more or less: eight times 16 s
    assert len(waits) == 30
    assert 256 <= min(waits) <= max(waits) <= 384
    assert max(buckets.values()) / mean < 3


def test_a_retry_storm_meets_a_receiver_that_is_asked_once_in_a_while(world: World) -> None:
    """Sixty wait for one that is busy for half an hour: it is probed by single ones, then takes them all."""
    world.transport.steps = [status(503)]
    for number in range(1, 61):
        world.take(number, CLINICS[0], subject=f"{number:064x}")
    began = world.clock.now()
    per_minute: Counter[int] = Counter()
    while world.clock.now() < began + HALF_AN_HOUR:
        before = len(world.transport.sent)
        world.due()
        per_minute[int((world.clock.now() - began).total_seconds() // 60)] += (
            len(world.transport.sent) - before
        )
        world.clock.move(timedelta(seconds=20))
    assert max(list(per_minute.values())[1:]) <= 2
    assert sum(per_minute.values()) < 70

    world.transport.steps = [ok_reply]
    world.clock.move(HALF_AN_HOUR)
    first = world.due()
    world.drain()
    assert first == 1
    assert world.store.counts()["deliveries"] == {"acknowledged": 60}


def test_a_poison_message_is_refused_alone_and_one_person_hears_of_it(world: World) -> None:
    """422 for one of ten in two lanes: nine arrive in order, one waits for an operator, one report goes."""
    made = [world.take(number, CLINICS[0], subject=f"{number % 2:064x}") for number in range(1, 11)]
    poison = made[4].deliveries[0].header_id

    def answer(request: Outbound) -> Inbound:
        return (status(422) if request.headers["X-Request-Id"] == poison else ok_reply)(request)

    world.transport.steps = [answer]
    world.drain()

    assert world.state(made[4]) is S.REFUSED
    assert {world.state(new) for new in made if new is not made[4]} == {S.ACKNOWLEDGED}
    arrived = [request.headers["X-Request-Id"] for request in world.transport.sent]
    for lane in (0, 1):
        expected = [new.deliveries[0].header_id for new in made[1 - lane :: 2]]
        assert [each for each in arrived if each in expected] == expected
    assert len([each for each in world.transport.sent if b'"kind":"delivery-report"' in each.body]) == 1
    assert world.clock.now() == NOON
