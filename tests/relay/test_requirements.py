"""Requirements of consent, confidentiality and audit that no one room holds alone, through the whole engine.

The others are tested where they are decided, each named `test_d…` or `test_ladder_…`. Everybody
in here is invented.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapter.errors import AdapterError
from adapter.relay import delivery, disclosure_rules, intake
from adapter.relay.message import Kind
from tests.relay import site
from tests.relay.world import raw_rows

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.transport import Inbound, Outbound
    from tests.relay.world import World

EMPLOYER = "urn:uuid:38a229b9-bc84-5e40-80d8-95146acbd42d"
"""The employer of the fixtures, as a message names it."""


class Kept:
    """A wire that keeps what goes over it and acknowledges everything."""

    def __init__(self) -> None:
        self.sent: list[Outbound] = []

    async def send(self, request: Outbound) -> Inbound:
        from tests.relay.world import ok_reply

        self.sent.append(request)
        return ok_reply(request)


@pytest.mark.parametrize("name", ["back-surgery", "employer-asks"])
def test_d9_an_employer_learns_of_no_message(tmp_path: Path, name: str) -> None:
    """D9: no copy, report or route goes to an employer, and no address or header that is sent names it."""
    wire = Kept()
    relay = site.relay_in(tmp_path, transport=wire)
    intake.accept(site.case(name).submission, relay)
    for _ in range(4):
        asyncio.run(delivery.deliver_due(relay))

    rows = relay.store.find_deliveries(limit=100)
    kinds = {each.recipient: each.kind for each in rows if each.state.value != "withheld"}
    relay.store.close()

    assert EMPLOYER not in kinds
    assert all(EMPLOYER not in json.dumps(dict(each.headers)) + each.url for each in wire.sent)
    assert Kind.DELIVERY_REPORT not in {each.kind for each in rows if each.recipient == EMPLOYER}


def test_d20_a_purpose_that_is_not_the_recipients_is_denied_and_written_down(tmp_path: Path) -> None:
    """D20: the copy is withheld with a finding of its own, and the audit says which purpose was asked for."""
    roles = [replace(each, purposes=frozenset({"CAREMGT"})) for each in disclosure_rules.shipped().roles]
    relay = site.relay_in(tmp_path, rules=replace(disclosure_rules.shipped(), roles=tuple(roles)))
    message = intake.accept(site.case("back-surgery").submission, relay).message or ""

    [(state, reason)] = {
        (each.state.value, each.reason)
        for each in relay.store.deliveries(message)
        if each.kind is Kind.NOTIFICATION
    }
    [row] = [each for each in relay.store.audit_rows() if each.action == "decide"]
    relay.store.close()

    said = dict(row.pairs)
    assert (state, reason, row.outcome, row.reason) == ("withheld", "CO123", "denied", "CO123")
    assert (said["purpose"], said["recipient"]) == ("TREAT", site.KASKELA)


def test_d15_without_the_audit_nothing_leaves(world: World) -> None:
    """D15: where the trail cannot be written, no copy goes out, and the copy waits."""
    new = world.take(1)
    raw_rows(world.folder, "ALTER TABLE audit RENAME TO audit_elsewhere")

    with pytest.raises(AdapterError):
        world.due()

    sent = list(world.transport.sent)
    raw_rows(world.folder, "ALTER TABLE audit_elsewhere RENAME TO audit")
    assert (sent, world.state(new).value in ("queued", "sending")) == ([], True)
