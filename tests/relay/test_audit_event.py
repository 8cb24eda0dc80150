"""Who got to know what, as FHIR AuditEvents in the shape of IHE's privacy disclosure at its source."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import StoreError
from adapter.relay import audit_event, delivery, intake
from adapter.relay.message import AuditRecord, DeliveryState
from adapter.relay.transport import Inbound
from tests.relay import site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay

PATIENT = ("urn:oid:1.2.246.21", "120574-902Y")
"""The invented person of `back-surgery`."""
NAMES = {site.KASKELA: "Kaskelan työterveys"}


class Wire:
    """A recipient that takes what it gets without a word."""

    async def send(self, request: Any) -> Inbound:
        return Inbound(status=200, headers={}, body=b"")


class Counting(Wire):
    """A recipient that counts what reached it."""

    sent = 0

    async def send(self, request: Any) -> Inbound:
        self.sent += 1
        return await super().send(request)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Relay, str]]:
    """A relay that has sent one copy and shown its content to a person, and the message."""
    relay = site.relay_in(tmp_path_factory.mktemp("audit"), transport=Wire())
    message = intake.accept(site.case("back-surgery").submission, relay).message or ""
    intake.accept(site.case("consent-withdrawn").submission, relay)
    asyncio.run(delivery.deliver_due(relay))
    [sent] = relay.store.deliveries(message)
    relay.store.acknowledgement(
        site.KASKELA, sent.header_id, "ok", b"", relay.clock.now(), retry_after=timedelta(minutes=1)
    )
    relay.store.audit(
        [
            AuditRecord(
                at=relay.clock.now(),
                actor="Aino",
                action="reveal",
                object=f"message/{message}",
                outcome="revealed",
                reason="asked by the hospital",
                detail=(("part", "content"),),
            )
        ]
    )
    yield relay, message
    relay.store.close()


def events(
    relay: Relay, *codes: str, patient: tuple[str, str] | None = PATIENT, **wanted: Any
) -> list[dict[str, Any]]:
    """The AuditEvents of a question, as they are shown; `codes`: those of these types."""
    if patient is not None:
        wanted["subject"] = relay.store.subject_key(*patient)
    bundle = audit_event.bundle_of(
        relay.store.disclosed(**wanted),
        relay.store.acts(**wanted),
        relay.store.looks(wanted["subject"]) if patient is not None else (),
        patient=patient,
        address=relay.address,
        name=relay.name,
        names=NAMES,
        mode=relay.mode,
        at=relay.clock.now(),
    )
    assert not [issue for issue in site.validator().validate(bundle) if issue.is_error]
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return [each for each in found if not codes or each["type"]["code"] in codes]


EXPORT, IMPORT, DENIAL, LOOK = "110106", "110107", "110113", "110110"


def test_d16_the_trail_says_what_for_and_by_which_rules(told: tuple[Relay, str]) -> None:
    """D16, D20: each sending keeps purpose, version of the rules, register, controller and each resource."""
    relay, message = told
    [sending] = relay.store.disclosed(subject=relay.store.subject_key(*PATIENT), recipient=site.KASKELA)
    [body] = [relay.store.content(message, f"copy/{each.id}") for each in relay.store.deliveries(message)]
    copied = [each["resource"] for each in json.loads(body or b"{}")["entry"]]

    assert (sending.purpose, sending.rules) == ("TREAT", relay.rules.version)
    assert (sending.register, sending.controller) == ("health", site.TUULILAHTI)
    assert sending.content == " ".join(f"{each['resourceType']}/{each['id']}" for each in copied)


def test_d20_an_event_says_its_purpose(told: tuple[Relay, str]) -> None:
    """The AuditEvent of a disclosure names the purpose of use as IHE's profile has it."""
    relay, _ = told
    [event, *_] = events(relay, EXPORT)

    [purpose] = event["purposeOfEvent"]
    assert purpose["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
    ]


def test_d20_the_version_of_the_rules_is_of_what_they_say(told: tuple[Relay, str]) -> None:
    """Another table has another version; the same rows have the same."""
    rules = told[0].rules

    assert rules.version == replace(rules).version
    assert rules.version != replace(rules, rows=rules.rows[1:]).version


def only(event: dict[str, Any], kind: str, code: str) -> dict[str, Any]:
    """The one agent or entity of a code."""
    found = [each for each in event[kind] if code in json.dumps(each["type"])]
    assert len(found) == 1
    return found[0]


def test_d18_a_disclosure_says_who_to_whom_about_whom_and_on_what_ground(told: tuple[Relay, str]) -> None:
    """Hospital, occupational health, the person, the consent in its version: each in its place."""
    relay, _ = told

    [disclosure] = events(relay, EXPORT)

    to, by = only(disclosure, "agent", "110152"), only(disclosure, "agent", "159541003")
    assert to["who"] == {
        "type": "Organization",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": site.KASKELA},
        "display": "Kaskelan työterveys",
    }
    assert to["network"] == {"address": "https://partner.invalid/fhir", "type": "5"}
    assert by["who"]["identifier"]["value"] == site.TUULILAHTI
    assert by["policy"] == ["https://silta.example/fhir/CodeSystem/disclosure-basis#luovutuslupa"]
    assert disclosure["entity"][0]["what"]["identifier"] == {"system": PATIENT[0], "value": PATIENT[1]}
    assert disclosure["entity"][2]["what"]["reference"] == "Consent/l-2025-3381/_history/1"


def test_d17_a_disclosure_has_the_shape_of_the_profile_it_claims(told: tuple[Relay, str]) -> None:
    """BALP PrivacyDisclosure.Source: its fixed codes, its agents, the source that is an agent too."""
    relay, _ = told

    [disclosure] = events(relay, EXPORT)

    assert disclosure["meta"]["profile"] == [audit_event.PROFILE]
    assert (disclosure["type"]["code"], disclosure["action"], disclosure["outcome"]) == ("110106", "R", "0")
    assert [each["code"] for each in disclosure["subtype"]] == ["disclose"]
    assert only(disclosure, "agent", "110153")["who"] == disclosure["source"]["observer"]
    assert all("network" in only(disclosure, "agent", code) for code in ("110153", "110152"))
    assert only(disclosure, "entity", '"1"')["role"]["code"] == "1"
    assert disclosure["meta"]["security"][0]["code"] == "HTEST"


def test_a_look_at_content_is_told_too(told: tuple[Relay, str]) -> None:
    """Who of our own people saw it, when and why; it claims no profile that it has not."""
    relay, message = told

    [look] = events(relay, LOOK)

    assert [agent["name"] for agent in look["agent"] if agent["requestor"]] == ["Aino"]
    assert {"type": "reason", "valueString": "asked by the hospital"} in look["entity"][1]["detail"]
    assert look["entity"][1]["what"]["identifier"]["value"] == f"urn:uuid:{message}"
    assert "profile" not in look["meta"]


def test_an_event_names_its_row_of_the_chain(told: tuple[Relay, str]) -> None:
    """Whoever doubts it can verify the row it was made from."""
    relay, _ = told
    [disclosure] = events(relay, EXPORT)
    said = {each["type"]: each["valueString"] for each in disclosure["entity"][1]["detail"]}

    [row] = [row for row in relay.store.audit_rows() if f"{row.node}/{row.sequence}" == said["row"]]

    assert (row.action, row.object, row.at) == (
        "disclose",
        f"delivery/{said['delivery']}",
        disclosure["recorded"],
    )


def test_a_recipients_events_name_nobody(told: tuple[Relay, str]) -> None:
    """What one recipient got, of whomever: persons are told apart by their keyed hashes."""
    relay, message = told

    [disclosure] = events(relay, EXPORT, patient=None, recipient=site.KASKELA, since=site.MARCH)

    subject = relay.store.message(message).subject
    assert disclosure["entity"][0]["what"]["identifier"] == {
        "system": audit_event.SUBJECT_KEY,
        "value": subject,
    }
    assert "902Y" not in json.dumps(disclosure)


def test_what_nobody_got_is_no_disclosure(told: tuple[Relay, str]) -> None:
    """A copy that consent withheld makes no event for its recipient or its person."""
    relay, _ = told

    assert events(relay, EXPORT, patient=None, recipient=site.ASUND) == []
    assert events(relay, patient=("urn:oid:1.2.246.21", "010190-999W")) == []


@pytest.mark.parametrize(
    ("attempt", "told_as"),
    [("taken", "0"), ("refused", "0"), ("ambiguous", "4"), (None, "4"), ("unsent", None)],
)
def test_an_attempt_without_an_answer_is_told_as_uncertain(
    told: tuple[Relay, str], attempt: str | None, told_as: str | None
) -> None:
    """Answered, refused or not: it was there. No answer: perhaps. Proven unsent: no disclosure."""
    relay, _ = told
    [sent] = relay.store.disclosed(subject=relay.store.subject_key(*PATIENT))
    given = replace(sent, attempt=attempt, state=DeliveryState.PARKED)

    bundle = audit_event.bundle_of(
        [given],
        (),
        (),
        patient=PATIENT,
        address=relay.address,
        name=relay.name,
        names={},
        mode=relay.mode,
        at=relay.clock.now(),
    )

    assert [entry["resource"]["outcome"] for entry in bundle.get("entry", ())] == (
        [told_as] if told_as else []
    )


def test_an_intake_has_the_shape_of_the_profile_it_claims(told: tuple[Relay, str]) -> None:
    """BALP PrivacyDisclosure.Recipient: the hospital is the source; who recorded it is the destination."""
    relay, message = told

    [event, *_] = events(relay, IMPORT)

    assert event["meta"]["profile"] == [audit_event.IMPORT_PROFILE]
    assert (event["action"], event["outcome"], event["subtype"][0]["code"]) == ("C", "0", "disclose")
    assert only(event, "agent", "110153")["who"]["identifier"]["value"] == site.TUULILAHTI
    assert only(event, "agent", "110152")["who"] == event["source"]["observer"]
    assert all("network" in each for each in event["agent"])
    assert event["entity"][0]["what"]["identifier"]["value"] == PATIENT[1]
    assert event["entity"][1]["what"]["identifier"]["value"] == f"urn:uuid:{message}"


def test_an_acknowledgement_says_who_took_it_and_claims_no_disclosure(told: tuple[Relay, str]) -> None:
    """The recipient's system is where it came from; success is its own word."""
    relay, _ = told

    [_intake, taken] = events(relay, IMPORT)

    assert "profile" not in taken["meta"]
    assert (taken["action"], taken["outcome"], taken["subtype"][0]["code"]) == ("U", "0", "receive")
    assert only(taken, "agent", "110153")["who"]["identifier"]["value"] == site.KASKELA


def test_a_denial_says_to_whom_and_why_and_nothing_of_what(told: tuple[Relay, str]) -> None:
    """A copy that consent withheld is a decision that failed for its recipient, with the reason's code."""
    relay, _ = told
    [withheld] = relay.store.find_deliveries(state="withheld")

    [denied] = events(relay, DENIAL, patient=None, recipient=withheld.recipient)

    assert (denied["action"], denied["outcome"], denied["outcomeDesc"]) == ("E", "8", withheld.reason)
    assert only(denied, "agent", "PROV")["who"]["identifier"]["value"] == withheld.recipient
    assert denied["entity"][0]["what"]["identifier"]["system"] == audit_event.SUBJECT_KEY
    assert {each["type"] for each in denied["entity"][1]["detail"]} <= {
        "row",
        "act",
        "outcome",
        "reason",
        "event",
        "recipient",
        "evidence",
        "confidence",
        "purpose",
        "reasons",
    }


def test_d15_every_act_has_its_row(told: tuple[Relay, str]) -> None:
    """D15: taken in, denied, sent, acknowledged, looked at: each is an event of a row of the chain."""
    relay, _ = told
    rows = {f"{row.node}/{row.sequence}" for row in relay.store.audit_rows()}
    [withheld] = relay.store.find_deliveries(state="withheld")

    found = events(relay) + events(relay, DENIAL, patient=None, recipient=withheld.recipient)

    assert {each["type"]["code"] for each in found} == {IMPORT, DENIAL, EXPORT, LOOK}
    assert all(
        detail["valueString"] in rows
        for each in found
        for detail in each["entity"][1]["detail"]
        if detail["type"] == "row"
    )
    assert relay.store.verify_audit() is None


def test_d15_what_cannot_be_written_down_does_not_happen(tmp_path: Path) -> None:
    """D15: with an audit that takes no row, nothing is taken in and no copy leaves."""
    wire = Counting()
    relay = site.relay_in(tmp_path, transport=wire)
    intake.accept(site.case("back-surgery").submission, relay)
    with sqlite3.connect(next(tmp_path.glob("*.db"))) as file:
        file.execute("CREATE TRIGGER down BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'down'); END")
    file.close()

    with pytest.raises(StoreError):
        intake.accept(site.case("consent-withdrawn").submission, relay)
    with pytest.raises(StoreError):
        asyncio.run(delivery.deliver_due(relay))

    assert (wire.sent, relay.store.counts()["messages"]) == (0, {"accepted": 1})
    relay.store.close()
