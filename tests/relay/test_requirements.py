"""Requirements of consent, confidentiality and audit that no one room holds alone, through the whole engine.

The others are tested where they are decided, each named `test_d…` or `test_ladder_…`. Everybody
in here is invented.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from adapter.errors import AdapterError, AmbiguousDelivery
from adapter.relay import delivery, disclosure_rules, intake
from adapter.relay.message import Kind
from adapter.relay.transport import Inbound
from adapter.server import log
from tests.patience import PATIENCE
from tests.relay import site
from tests.relay.world import raw_rows

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.relay.transport import Outbound
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


HOSTILE = {
    "X5 HTML in place of the body": (
        re.compile(rb"<structuredBody>.*</structuredBody>", re.DOTALL),
        b'<nonXMLBody><text mediaType="text/html">&lt;script&gt;steal()&lt;/script&gt;</text></nonXMLBody>',
    ),
    "X5 an event in a table": (
        re.compile(rb"<text>.*?</text>", re.DOTALL),
        b'<text><table><tr><td onmouseover="steal()">steal()</td></tr></table></text>',
    ),
    "X5 a picture from elsewhere": (
        re.compile(rb"<text>.*?</text>", re.DOTALL),
        b'<text><renderMultiMedia referencedObject="m"/></text><entry><observationMedia classCode="OBS" '
        b'moodCode="EVN" ID="m"><value mediaType="image/png"><reference value="http://x.invalid/steal()"/>'
        b"</value></observationMedia></entry>",
    ),
    "X6 a signature around other content": (
        re.compile(rb"</ClinicalDocument>"),
        b'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:Reference URI="#o"/>'
        b"</ds:SignedInfo><ds:SignatureValue>steal()</ds:SignatureValue><ds:Object Id='o'>steal()</ds:Object>"
        b"</ds:Signature></ClinicalDocument>",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_x5_x6_what_a_document_carries_beside_its_facts_goes_nowhere(tmp_path: Path, name: str) -> None:
    """X5, X6: it is kept as it came, and no copy has any of it; a signature makes nothing truer."""
    pattern, put = HOSTILE[name]
    given = site.case("hernia-cda").submission
    body = pattern.sub(put, given.body, count=1)
    assert b"steal()" in body
    wire = Kept()
    relay = site.relay_in(tmp_path, transport=wire)
    answer = intake.accept(replace(given, body=body), relay)
    plain = intake.accept(given, relay)
    asyncio.run(delivery.deliver_due(relay))

    message = answer.message or ""
    kept, mapped = relay.store.content(message, "original"), relay.store.content(message, "content")
    relay.store.close()
    assert (answer.status, kept == body, len(wire.sent)) == (200, True, 1)
    assert [each for each in (mapped, answer.body, wire.sent[0].body) if b"steal" in (each or b"")] == []
    # The same document without it says nothing else: it is a repeat.
    assert (plain.message == message) is ("in place of the body" not in name)


CANARY = "120574-902Y"
ECHOED = ["a refusal", "an error outcome", "an outage", "a time-out", "a crash of our own"]


class Echo:
    """A recipient, or a fault on the way to it, that says the whole copy back."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.sent: list[Outbound] = []

    async def send(self, request: Outbound) -> Inbound:
        from tests.relay.world import ok_reply

        self.sent.append(request)
        if CANARY.encode() not in request.body:  # a delivery report, to the hospital
            return ok_reply(request)
        if self.how == "a time-out":
            raise AmbiguousDelivery("DL205") from TimeoutError(request.body.decode())
        if self.how == "a crash of our own":
            raise RuntimeError(request.body.decode())
        if self.how == "an error outcome":
            issue = {"severity": "error", "code": "invalid", "diagnostics": request.body.decode()}
            body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
            return Inbound(status=200, headers={"content-type": "application/fhir+json"}, body=body)
        status = 503 if self.how == "an outage" else 422
        return Inbound(status=status, headers={"x-said": CANARY, "location": CANARY}, body=request.body)


@pytest.mark.parametrize("how", ECHOED)
def test_l2_what_a_recipient_says_back_is_told_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """L2: not in a log, a traceback, the audit, an attempt, a report, an alarm, or the store's files."""
    caplog.set_level(logging.DEBUG)
    wire = Echo(how)
    relay = site.relay_in(tmp_path, transport=wire)
    answer = intake.accept(site.case("back-surgery").submission, relay)

    async def until_sent() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(delivery.run(relay, stop))
        async with asyncio.timeout(PATIENCE):
            while not wire.sent:  # noqa: ASYNC110 - the wire is asked from outside
                await asyncio.sleep(0.01)
            stop.set()
            await running

    asyncio.run(until_sent())
    for _ in range(2):
        relay.clock.move(timedelta(days=40))  # type: ignore[attr-defined]
        with suppress(RuntimeError):
            asyncio.run(delivery.deliver_due(relay))
    rows = relay.store.deliveries(answer.message or "")
    sinks = {
        "the log": caplog.text + "".join(log.Lines().format(each) for each in caplog.records),
        "the audit": str(relay.store.audit_rows()),
        "deliveries and attempts": str([(each, relay.store.attempts(each.id)) for each in rows]),
        "alarms": str(relay.store.alarm_facts(None)),
        "reports": str([each.body for each in wire.sent[1:] if b"delivery-report" in each.body]),
        "ways": str([(each.url, each.headers, repr(each)) for each in wire.sent]),
    }
    relay.store.close()
    sinks |= {str(path): path.read_bytes().decode("latin-1") for path in tmp_path.iterdir() if path.is_file()}

    assert CANARY.encode() in wire.sent[0].body
    assert [name for name, text in sinks.items() if CANARY in text or "ivi Annikki" in text] == []


def test_d15_without_the_audit_nothing_leaves(world: World) -> None:
    """D15: where the trail cannot be written, no copy goes out, and the copy waits."""
    new = world.take(1)
    raw_rows(world.folder, "ALTER TABLE audit RENAME TO audit_elsewhere")

    with pytest.raises(AdapterError):
        world.due()

    sent = list(world.transport.sent)
    raw_rows(world.folder, "ALTER TABLE audit_elsewhere RENAME TO audit")
    assert (sent, world.state(new).value in ("queued", "sending")) == ([], True)
