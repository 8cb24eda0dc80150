"""Alarms: which stand, when one is told of, and what the store says of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from adapter.errors import TransientDelivery
from adapter.relay import alarm
from adapter.relay.alarm import Alarm, Facts, Limits, Notice, Phase, Told
from adapter.relay.message import Kind
from adapter.relay.store.room import Room
from tests.relay.world import CLINIC, HOSPITAL, NOON, World, ok_reply, open_store, raw_rows, reply

LIMITS = Limits()
MINUTE = timedelta(minutes=1)


RAISED: dict[str, tuple[Facts, list[tuple[str, str]]]] = {
    "nothing": (Facts(), []),
    "the trail does not fit": (Facts(audit_fault="silta/7"), [("AL101", "")]),
    "the disk is full": (Facts(is_disk_full=True, is_disk_low=True), [("AL102", "")]),
    "the disk is low": (Facts(is_disk_low=True), [("AL103", "")]),
    "a route rests": (Facts(resting={CLINIC: "DL203"}), [("AL104", CLINIC)]),
    "a copy waits": (Facts(oldest_queued={CLINIC: NOON - 6 * MINUTE}), [("AL105", CLINIC)]),
    "a copy waits not long": (Facts(oldest_queued={CLINIC: NOON - 5 * MINUTE}), []),
    "a copy waits because of a hold": (
        Facts(oldest_queued={CLINIC: NOON - 6 * MINUTE}, is_held=True),
        [("AL110", "")],
    ),
    "a cancellation is stuck": (
        Facts(waiting_for_person=1, cancellations_stuck=1),
        [("AL106", ""), ("AL107", "")],
    ),
    "a recipient contradicts itself": (Facts(contradicted=1), [("AL114", "")]),
    "copies wait for a person": (Facts(waiting_for_person=3), [("AL107", "")]),
    "a message has no recipient": (Facts(unrouted_since=NOON - timedelta(hours=5)), [("AL108", "")]),
    "a message has no recipient yet": (Facts(unrouted_since=NOON - timedelta(hours=4)), []),
    "Q2 a cancellation of what has not come": (
        Facts(unmatched_since=NOON - timedelta(hours=25)),
        [("AL115", "")],
    ),
    "Q2 a cancellation of what may still come": (Facts(unmatched_since=NOON - timedelta(hours=24)), []),
    "nobody has answered": (Facts(overdue=2), [("AL109", "")]),
}


@pytest.mark.parametrize("name", RAISED)
def test_what_raises_an_alarm(name: str) -> None:
    """Each fact its alarm, in a text that every parameter is filled in of, in each language."""
    facts, keys = RAISED[name]

    found = alarm.standing(facts, NOON, LIMITS)

    assert [each.key for each in found] == keys
    assert not [each for each in found for language in ("en", "fi", "sv") if "{" in each.issue.text(language)]


def at(known: dict[tuple[str, str], Told], *standing: Alarm, now: Any = NOON) -> list[tuple[str, Phase]]:
    """What is told of at a moment."""
    told = alarm.notices(standing, known, now, LIMITS)
    return [(notice.key[0], notice.phase) for notice in told]


def test_an_alarm_is_told_when_it_begins_each_day_and_when_it_is_over() -> None:
    """Not at each look; one that nobody could be told of is told again as begun."""
    [rests] = alarm.standing(Facts(resting={CLINIC: "DL203"}), NOON, LIMITS)
    told = {rests.key: Told(began_at=NOON, told_at=NOON)}
    untold = {rests.key: Told(began_at=NOON, told_at=None)}

    assert at({}, rests) == [("AL104", Phase.BEGUN)]
    assert at(told, rests, now=NOON + timedelta(hours=23)) == []
    assert at(told, rests, now=NOON + timedelta(hours=24)) == [("AL104", Phase.LASTS)]
    assert at(told) == [("AL104", Phase.OVER)]
    assert at(untold, rests) == [("AL104", Phase.BEGUN)]
    assert at(untold) == []


def look(world: World, limits: Limits = LIMITS, fault: str | None = None) -> list[Notice]:
    """Look once at what the store says."""
    facts = world.store.alarm_facts(fault)
    return world.store.alarms_due(alarm.standing(facts, world.clock.now(), limits), limits)


def told(notices: list[Notice]) -> list[tuple[str, Phase]]:
    """Codes and phases."""
    return [(notice.key[0], notice.phase) for notice in notices]


def test_a_quiet_relay_raises_none(world: World) -> None:
    """Everything delivered: nothing stands and nothing is told."""
    world.take(1)
    world.drain()

    assert (look(world), world.store.alarms()) == ([], [])


def test_a_copy_that_waits_long_is_told_once_and_its_end_too(world: World) -> None:
    """Begun after five minutes, silent while it lasts, over when the copy has gone."""
    world.transport.steps = [TransientDelivery("DL201")]
    world.take(1)
    world.drain()
    first = look(world)
    world.clock.move(6 * MINUTE)
    second, third = look(world), look(world)
    world.transport.steps = [ok_reply]
    world.clock.move(timedelta(hours=1))
    world.drain()

    assert [told(each) for each in (first, second, third)] == [[], [("AL105", Phase.BEGUN)], []]
    assert told(look(world)) == [("AL105", Phase.OVER)]
    assert [row.outcome for row in world.store.audit_rows(object="deployment")] == ["begun", "over"]


def test_copies_that_wait_for_a_person_and_stuck_cancellations_are_counted(world: World) -> None:
    """Both alarms, with how many; reports that the hospital refuses count too."""
    first = world.take(1)
    world.drain()
    world.transport.steps = [reply("fatal-error")]
    world.take(2, kind=Kind.CANCELLATION, cancels=first.message)
    world.drain()

    found = {notice.key[0]: notice.issue.params["count"] for notice in look(world)}

    assert found["AL106"] == 1
    assert found["AL107"] >= 1


def test_a_resting_route_is_told_with_its_reason(world: World) -> None:
    """As `partners list` shows it."""
    world.transport.steps = [reply_of(401)]
    world.take(1)
    world.drain()

    [notice] = [each for each in look(world) if each.key[0] == "AL104"]

    assert (notice.key[1], notice.issue.params) == (CLINIC, {"partner": CLINIC, "reason": "DL212"})


def reply_of(status: int) -> Any:
    """A recipient that does not let us in."""
    from tests.relay.world import status as answer

    return answer(status)


def test_a_message_without_recipient_is_told_after_its_time(world: World) -> None:
    """Four hours with nobody who names one."""
    from adapter.relay.message import MessageState

    world.take(1, state=MessageState.NEEDS_ROUTING, deliveries=())
    before = look(world)
    world.clock.move(timedelta(hours=5))

    assert (before, told(look(world))) == ([], [("AL108", Phase.BEGUN)])


def test_q2_a_cancellation_of_what_has_not_come_is_told_after_its_time(world: World) -> None:
    """Q2: begun once the configured time is over, and over when the notification comes."""
    from adapter.relay.message import Meaning, MessageState

    ends = {"state": MessageState.NOT_APPLICABLE, "deliveries": ()}
    world.take(1, meaning=Meaning.CANCEL, notification="n2", **ends)
    before = look(world)
    world.clock.move(timedelta(hours=25))
    after = look(world)
    world.take(2, **ends)

    assert [told(each) for each in (before, after)] == [[], [("AL115", Phase.BEGUN)]]
    assert told(look(world)) == [("AL115", Phase.OVER)]


def test_what_could_not_be_told_is_told_at_the_next_look(world: World) -> None:
    """A webhook that was down does not swallow the alarm; nothing is told of an end nobody began to know."""
    world.store.begin_hold(actor="Aino", reason="moving")
    [notice] = look(world)
    world.store.untold(notice)

    assert told(look(world)) == [("AL110", Phase.BEGUN)]


def test_alarms_outlive_a_restart(world: World) -> None:
    """They stand in the store: a restart tells nothing twice."""
    world.store.begin_hold(actor="Aino", reason="moving")
    look(world)
    rows = raw_rows(world.folder, "SELECT code, about FROM alarm")

    assert rows == [("AL110", "")]
    assert look(world) == []


def test_a_full_disk_is_seen(tmp_path: Any) -> None:
    """What the store says of its disk becomes an alarm."""
    with open_store(tmp_path, disk=lambda _: Room.LOW) as store:
        assert store.alarm_facts(None).is_disk_low
        assert not store.alarm_facts(None).is_disk_full


def test_a_silent_receiver_is_counted(world: World) -> None:
    """Cases of which the hospital was told, until somebody answers."""
    copy = world.take(1)
    world.drain()
    world.store.give_case_time(copy.deliveries[0].id, NOON)
    assert world.store.tell_overdue(copy.deliveries[0].id, world.clock.now())

    [notice] = look(world)

    assert (notice.key[0], notice.issue.params["count"]) == ("AL109", 1)
    assert HOSPITAL not in str(notice.issue.params)
