"""A person looks and releases: sensitive content, an identity in doubt; nothing else is a person's to lift.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict, NotPermitted
from adapter.relay import delivery, intake
from adapter.relay.message import DeliveryState
from adapter.relay.transport import Inbound
from tests.relay import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.store.values import DeliveryRow


class Wire:
    """A recipient that takes everything, and keeps the events."""

    def __init__(self) -> None:
        self.got: list[str] = []

    async def send(self, request: Any) -> Inbound:
        header = json.loads(request.body)["entry"][0]["resource"]
        self.got.append(header["eventCoding"]["code"])
        return Inbound(status=200, headers={}, body=b"")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def relay(tmp_path: Path, wire: Wire) -> Iterator[Relay]:
    made = site.relay_in(tmp_path, transport=wire)
    yield made
    made.store.close()


def take(relay: Relay, name: str, *changes: tuple[bytes, bytes]) -> str:
    """Take a shipped message in, with some of its bytes changed; return its id."""
    given = site.case(name).submission
    body = given.body
    for old, new in changes:
        assert old in body
        body = body.replace(old, new)
    return intake.accept(replace(given, body=body), relay).message or ""


def deliver(relay: Relay) -> None:
    """Deliver what is due; twice, because one copy of a lane goes at a time."""
    for _ in range(2):
        asyncio.run(delivery.deliver_due(relay))


def copy_of(relay: Relay, message: str) -> DeliveryRow:
    """The one copy of a message."""
    [found, *_] = relay.store.deliveries(message)
    return found


AGAIN = (b"V2603-118", b"V2603-777"), (b"OB260302-0001", b"OB260302-0777")
RENAMED = (*AGAIN, ("Mäkelä-Öhman".encode("latin-1"), b"Virtanen"))


def test_sensitive_content_goes_when_a_person_releases_it(relay: Relay, wire: Wire) -> None:
    """Withheld until then, whatever permit exists; who released it and why stands in the audit."""
    held = copy_of(relay, take(relay, "sensitive-procedure"))

    fate = intake.release(held.id, relay, actor="Aino", reason="the unit asked")
    deliver(relay)

    rows = [row for row in relay.store.audit_rows(object=f"delivery/{held.id}") if row.action == "release"]
    assert (held.state, fate.state) == (DeliveryState.WITHHELD, DeliveryState.QUEUED)
    assert wire.got.count("procedure-notification") == 1
    assert [(row.actor, '"the unit asked"' in row.detail) for row in rows] == [("Aino", True)]


def test_what_the_patient_keeps_back_nobody_releases(relay: Relay) -> None:
    """A copy without consent stays, and the refusal says for want of what: RT114 with the reasons."""
    held = copy_of(relay, take(relay, "consent-withdrawn"))

    with pytest.raises(NotPermitted) as caught:
        intake.release(held.id, relay, actor="Aino", reason="they asked")

    assert [issue.code for issue in caught.value.issues] == ["RT114", "CO103"]
    assert copy_of(relay, held.message).state is DeliveryState.WITHHELD


def test_what_does_not_wait_is_not_released(relay: Relay) -> None:
    """A queued copy goes by itself: RT113."""
    queued = copy_of(relay, take(relay, "back-surgery"))

    with pytest.raises(Conflict, match="RT113"):
        intake.release(queued.id, relay, actor="Aino", reason="why not")


def test_h4_another_family_name_stops_both(relay: Relay, wire: Wire) -> None:
    """The same identity with another name: neither what was queued nor what comes is sent unseen."""
    first = take(relay, "back-surgery")
    second = take(relay, "back-surgery", *RENAMED)

    deliver(relay)

    held = [copy_of(relay, each) for each in (first, second)]
    assert [(each.state, each.reason) for each in held] == [(DeliveryState.WITHHELD, "PN151")] * 2
    assert "procedure-notification" not in wire.got


def test_h4_a_record_that_was_replaced_is_for_a_person(relay: Relay, wire: Wire) -> None:
    """H4: R4 Patient.link replaced-by: nothing goes before somebody has looked, who stands in the audit."""
    link = (
        b'"resourceType": "Patient",\n        "link": [{"type": "replaced-by", "other": {"display": "x"}}],'
    )
    message = take(relay, "gallbladder", (b'"resourceType": "Patient",', link))
    deliver(relay)
    before, waits = list(wire.got), copy_of(relay, message)
    intake.release(waits.id, relay, actor="aino", reason="asked the hospital")
    deliver(relay)

    rows = [each for each in relay.store.audit_rows() if each.action == "release"]
    assert (before, waits.state, waits.reason) == ([], DeliveryState.WITHHELD, "PN152")
    assert wire.got == ["procedure-notification"]
    assert [each.actor for each in rows] == ["aino"]


def test_a_name_that_was_looked_at_is_known_from_then_on(relay: Relay, wire: Wire) -> None:
    """Released copies go, and the next message under the new name goes by itself."""
    first = take(relay, "back-surgery")
    second = take(relay, "back-surgery", *RENAMED)
    deliver(relay)
    relay.clock.move(timedelta(minutes=1))  # type: ignore[attr-defined]
    for message in (first, second):
        intake.release(copy_of(relay, message).id, relay, actor="Aino", reason="married, asked by phone")
    deliver(relay)

    third = take(
        relay, "back-surgery", *((old, new.replace(b"777", b"888")) for old, new in AGAIN), RENAMED[-1]
    )

    assert wire.got.count("procedure-notification") == 2
    assert copy_of(relay, third).state is DeliveryState.QUEUED


@pytest.mark.parametrize("written", ["MÄKELÄ-ÖHMAN", "Mäkelä-Öhman "])
def test_j4_the_same_name_written_otherwise_is_no_other(relay: Relay, written: str) -> None:
    """Capitals and blanks make no other person."""
    take(relay, "back-surgery")

    again = take(relay, "back-surgery", *AGAIN, (RENAMED[-1][0], written.encode("latin-1")))

    assert copy_of(relay, again).state is DeliveryState.QUEUED
