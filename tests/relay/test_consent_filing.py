"""Consents that come in by a door: when they begin to hold, and what a restart may not bring back.

Everybody in here is invented.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict
from adapter.relay import consent_filing, delivery, intake
from adapter.relay.message import DeliveryState
from adapter.relay.transport import Inbound
from tests.relay import site
from tests.relay.site import MARCH, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay


class Busy:
    """A recipient that is busy, and keeps what it was sent."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []

    async def send(self, request: Any) -> Inbound:
        self.got.append(json.loads(request.body))
        return Inbound(status=503, headers={}, body=b"")


@pytest.fixture
def wire() -> Busy:
    return Busy()


@pytest.fixture
def relay(tmp_path: Path, wire: Busy) -> Iterator[Relay]:
    made = site.relay_in(tmp_path, transport=wire)
    yield made
    made.store.close()


def permit(relay: Relay) -> str:
    """The id of the consent that lets the back surgery go."""
    [found] = [each.id for each in relay.store.consents() if each.id == "l-2025-3381"]
    return found


def notifications(wire: Busy) -> int:
    events = [each["entry"][0]["resource"]["eventCoding"]["code"] for each in wire.got]
    return events.count("procedure-notification")


def test_a_withdrawal_stops_what_is_being_retried(relay: Relay, wire: Busy) -> None:
    """After the first attempt came to nothing the patient withdraws: there is no second one."""
    answer = intake.accept(site.case("back-surgery").submission, relay)
    asyncio.run(delivery.deliver_due(relay))
    [before] = relay.store.deliveries(answer.message or "")

    consent_filing.withdraw(permit(relay), relay, actor="operator", reason="by phone")
    relay.clock.move(timedelta(minutes=10))  # type: ignore[attr-defined]
    asyncio.run(delivery.deliver_due(relay))

    [row, *_] = relay.store.deliveries(answer.message or "")
    assert (before.state, row.state, row.reason) == (DeliveryState.QUEUED, DeliveryState.WITHHELD, "CO103")
    assert notifications(wire) == 1


def test_the_folder_brings_back_nothing_that_was_withdrawn(relay: Relay) -> None:
    """A start imports the folder; what a person has withdrawn since stays withdrawn."""
    consent_filing.withdraw(permit(relay), relay, actor="operator", reason="by phone")
    folder = [consent_filing.new_consent(each, relay.store) for each in site.demo_files("consents")]

    assert relay.store.import_consents(folder, MARCH) == 0
    found = relay.store.consent("l-2025-3381")
    assert found is not None
    assert found.resource["status"] == "inactive"


def test_an_operator_does_not_lift_a_denial(relay: Relay) -> None:
    """To lift a denial is to permit: CO216."""
    resource = {**site.demo_files("consents")[0], "provision": {"type": "deny"}}
    resource["policyRule"] = {"coding": [{**resource["policyRule"]["coding"][0], "code": "luovutuslupa"}]}
    filed = consent_filing.create({**resource, "identifier": [{"value": "D-1"}]}, relay, TUULILAHTI)

    with pytest.raises(Conflict, match="CO216"):
        consent_filing.withdraw(filed.consent.id, relay, actor="operator", reason="asked")


def test_a_consent_stays_its_patients(relay: Relay) -> None:
    """The next version cannot be about somebody else: CO211."""
    resource = {**site.demo_files("consents")[0], "identifier": [{"value": "D-2"}]}
    resource["organization"] = [{"identifier": {"system": "urn:ietf:rfc:3986", "value": TUULILAHTI}}]
    filed = consent_filing.create(resource, relay, TUULILAHTI).consent
    other = {"patient": {"identifier": {"system": "urn:oid:1.2.246.21", "value": "010190-999W"}}}

    with pytest.raises(Conflict, match="CO211"):
        consent_filing.change(filed.id, {**filed.resource, **other}, relay, TUULILAHTI, None)
