"""Intake: from the bytes of a hospital to what is committed and what the sender is told.

Real maps, profiles and store; everybody in here is invented.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import Conflict, NotFound, NotPermitted
from adapter.fhir import json as fhir_json
from adapter.relay import intake
from adapter.relay.event import EventTable
from adapter.relay.message import DeliveryState, Kind, Level, Meaning, MessageState, Mode
from tests.relay import site
from tests.relay.site import ASUND, HAVUNIEMI, KASKELA, METSOLA, PIHLAJA, TUULILAHTI

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.relay.deployment import Relay
    from adapter.relay.message import Answer
    from adapter.relay.store.values import DeliveryRow, MessageRow

NAMES = {"Työterveys Kaskela": KASKELA, "Företagshälsan Åsund": ASUND, "Työterveys Pihlajamäki": PIHLAJA}


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """The demo deployment with a store of its own."""
    made = site.relay_in(tmp_path)
    yield made
    made.store.close()


def accept(relay: Relay, name: str, **change: Any) -> Answer:
    """Submit one of the shipped notifications."""
    return intake.accept(replace(site.case(name).submission, **change), relay)


def edited(name: str, *changes: tuple[str, str]) -> bytes:
    """The bytes of a shipped notification with some text replaced."""
    body = site.case(name).body
    for old, new in changes:
        assert old.encode("latin-1") in body, old
        body = body.replace(old.encode("latin-1"), new.encode("latin-1"))
    return body


def row(relay: Relay, answer: Answer) -> MessageRow:
    """The message of an answer, as it is stored."""
    assert answer.message is not None
    return relay.store.message(answer.message)


def deliveries(relay: Relay, answer: Answer) -> list[DeliveryRow]:
    """The deliveries of an answer's message."""
    assert answer.message is not None
    return relay.store.deliveries(answer.message)


ENDED = {"accepted": {"accepted", "settled"}}
"""A message whose every copy is withheld is settled at once: nothing more happens by itself."""
EXPECTED = [case for case in site.cases() if "relay" in case.expected]
ALONE = [case for case in EXPECTED if "cancels" not in case.expected["relay"]]


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_every_shipped_notification_becomes_what_its_file_says(relay: Relay, case: site.Case) -> None:
    """State of the message, recipients and level."""
    expected = case.expected["relay"]

    answer = intake.accept(case.submission, relay)

    assert row(relay, answer).state.value in ENDED.get(expected["message"], {expected["message"]})
    queued = [each for each in deliveries(relay, answer) if each.state is DeliveryState.QUEUED]
    if "recipients" in expected:
        assert [each.recipient for each in queued] == [NAMES[name] for name in expected["recipients"]]
    if "level" in expected:
        assert {each.level for each in queued} == {Level(expected["level"])}


def test_the_answer_is_committed_with_the_message(relay: Relay) -> None:
    """What the sender is told stands in the store before it is told."""
    answer = accept(relay, "back-surgery")

    stored = relay.store.answer_to(TUULILAHTI, source="tuulilahti-hl7v2", body=site.case("back-surgery").body)
    assert stored == answer


def test_the_same_submission_again_gets_the_same_bytes(relay: Relay) -> None:
    """A repeat is known, and nothing is sent twice."""
    first, again = accept(relay, "back-surgery"), accept(relay, "back-surgery")

    assert (first, len(relay.store.messages())) == (again, 1)


def test_the_same_notification_in_a_new_message_gets_the_same_answer(relay: Relay) -> None:
    """Another control id and time of sending say nothing new."""
    first = accept(relay, "back-surgery")
    resent = edited(
        "back-surgery", ("OB260302-0001", "OB260302-9999"), ("SILTA||20260304140500", "SILTA||20260304150500")
    )

    assert accept(relay, "back-surgery", body=resent) == first


def test_other_content_under_the_same_notification_is_a_conflict(relay: Relay) -> None:
    """409, and both are kept."""
    accept(relay, "back-surgery")
    changed = edited("back-surgery", ("OB260302-0001", "OB260302-0002"), ("ABC16", "ABC26"))

    answer = accept(relay, "back-surgery", body=changed)

    assert (answer.status, site.codes(answer.body), len(relay.store.conflicts())) == (409, ["ST120"], 1)
    assert site.told(answer.body)["issue"][0]["location"] == ["PV1-19.1"]


def test_a_message_id_used_for_another_notification_is_named(relay: Relay) -> None:
    """409 that says which id it is: another episode under the control id of an earlier message."""
    accept(relay, "back-surgery")
    other = edited("back-surgery", ("ABC16", "ABC26"), ("V2603-118", "V2603-777"))

    answer = accept(relay, "back-surgery", body=other)

    assert (answer.status, site.codes(answer.body)) == (409, ["ST124"])
    assert site.told(answer.body)["issue"][0]["location"] == ["MSH-10"]


def test_two_systems_of_a_hospital_number_their_messages_apart(relay: Relay) -> None:
    """A control id is the sending application's own."""
    accept(relay, "back-surgery")
    other = edited("back-surgery", ("ABC16", "ABC26"), ("V2603-118", "V2603-777"), ("|OBERON|", "|TITANIA|"))

    assert accept(relay, "back-surgery", body=other).status == 200


def test_what_is_not_ours_takes_no_id_from_a_later_message(relay: Relay) -> None:
    """A billing message under a control id, then a notification under the same."""
    billing = accept(relay, "billing", body=edited("billing", ("OB260322-0003", "OB260302-0001")))

    assert row(relay, billing).state is MessageState.NOT_APPLICABLE
    assert accept(relay, "back-surgery").status == 200


def test_unreadable_bytes_are_kept_and_named_by_line(relay: Relay) -> None:
    """400 with the place, and an operator can see it."""
    answer = accept(relay, "back-surgery", body=b"EVN||20260304140500\rPID|1\r")

    assert (answer.status, row(relay, answer).state) == (400, MessageState.UNREADABLE)
    assert site.codes(answer.body) != []


def test_a_readable_but_invalid_message_names_every_fault_and_the_senders_field(relay: Relay) -> None:
    """422, each finding with its FHIRPath and the field of HL7 v2."""
    answer = accept(relay, "invalid")
    errors = [each for each in site.told(answer.body)["issue"] if each["severity"] == "error"]

    assert (answer.status, row(relay, answer).state) == (422, MessageState.INVALID)
    assert len(errors) >= 5
    assert {"PID-7", "OBX[3]-5.1", "OBX[5]-5.1"} <= {each["location"][0] for each in errors}
    assert all(each["expression"][0].startswith("Bundle.") for each in errors)


def test_an_invalid_message_may_come_again_corrected(relay: Relay) -> None:
    """Its ids are free: the corrected one is no conflict."""
    accept(relay, "back-surgery", body=edited("back-surgery", ("full^^99SILTA", "most^^99SILTA")))

    answer = accept(relay, "back-surgery")

    assert (answer.status, row(relay, answer).state) == (200, MessageState.ACCEPTED)


def test_an_unknown_event_is_refused(relay: Relay) -> None:
    """It is never guessed: 422 with its code, naming MSH-9."""
    answer = accept(relay, "back-surgery", body=edited("back-surgery", ("ADT^A03", "ADT^A99")))

    assert (answer.status, site.codes(answer.body)[:1]) in [(422, ["PN130"]), (422, ["PN131"])]


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","id":"a"}',
        b'{"resourceType":"Bundle","type":"message"}',
        b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient"}}]}',
    ],
)
def test_fhir_that_is_no_message_is_told_so(relay: Relay, body: bytes) -> None:
    """PN153 at the resource that came, not the lack of an event in an entry that is not there."""
    known = site.case("back-surgery").submission
    answer = intake.accept(
        replace(known, source="fhir", media_type="application/fhir+json", body=body), relay
    )

    assert (answer.status, site.codes(answer.body)[:1]) == (422, ["PN153"])


@pytest.mark.parametrize(
    ("source", "sender"),
    [("nowhere", TUULILAHTI), ("tuulilahti-hl7v2", HAVUNIEMI)],
    ids=["none", "somebody else's"],
)
def test_an_unknown_source_and_somebody_elses_are_the_same(relay: Relay, source: str, sender: str) -> None:
    """Nobody learns which sources others have."""
    with pytest.raises(NotFound) as caught:
        accept(relay, "back-surgery", source=source, sender=sender)

    assert caught.value.code == "PN140"


@pytest.mark.parametrize(
    ("name", "codes"),
    [("deceased", ["PN207"]), ("too-old", ["PN206"]), ("billing", ["PN132"]), ("planned-a05", ["PN215"])],
)
def test_what_is_not_eligible_is_a_success_that_says_so(relay: Relay, name: str, codes: list[str]) -> None:
    """200, the reason, and nothing to deliver."""
    answer = accept(relay, name)

    assert (answer.status, deliveries(relay, answer)) == (200, [])
    assert set(codes) <= set(site.codes(answer.body))


@pytest.mark.parametrize("name", ["future-procedure", "undated-procedure", "planned-a14", "referral-i12"])
def test_what_was_not_done_never_goes_as_done(relay: Relay, name: str) -> None:
    """A procedure to come, without a time, planned or asked for stays here."""
    answer = accept(relay, name)

    assert deliveries(relay, answer) == []
    stored = relay.store.content(row(relay, answer).id) or b""
    assert b'"completed"' not in b"".join(
        fhir_json.write(each["resource"])
        for each in fhir_json.read(stored)["entry"]  # type: ignore[index,call-overload]
        if each["resource"]["resourceType"] == "Procedure"
    )


def test_the_deployments_own_table_of_triggers_has_the_last_word(relay: Relay) -> None:
    """Where a hospital's A03 means something else, its own row decides, in the map too."""
    ours = replace(relay, events=EventTable(meanings={**relay.events.meanings, "ADT^A03": Meaning.NOT_OURS}))

    answer = accept(ours, "back-surgery")

    assert (answer.status, "PN132" in site.codes(answer.body)) == (200, True)


def test_a_sensitive_procedure_is_withheld_for_a_person(relay: Relay) -> None:
    """Whatever permit exists, it never goes by itself."""
    answer = accept(relay, "sensitive-procedure")
    [delivery] = deliveries(relay, answer)

    assert (delivery.state, delivery.reason) == (DeliveryState.WITHHELD, "PN211")


@pytest.mark.parametrize(
    ("name", "reason"), [("no-consent", "CO101"), ("consent-withdrawn", "CO103"), ("old-permit", "CO108")]
)
def test_d2_without_a_valid_permit_the_copy_is_withheld(relay: Relay, name: str, reason: str) -> None:
    """The sender is told at once that nobody was told, and why."""
    answer = accept(relay, name)
    [delivery] = deliveries(relay, answer)

    assert (delivery.state, delivery.reason, site.codes(answer.body)[0]) == (
        DeliveryState.WITHHELD,
        reason,
        reason,
    )


def test_d8_an_employer_asks_in_vain(relay: Relay) -> None:
    """It is named beside occupational health, and only occupational health gets a copy."""
    answer = accept(relay, "employer-asks")

    assert {each.recipient: (each.state, each.reason) for each in deliveries(relay, answer)} == {
        KASKELA: (DeliveryState.QUEUED, None),
        METSOLA: (DeliveryState.WITHHELD, "CO109"),
    }


def test_a_message_in_fhir_is_answered_by_a_message(relay: Relay) -> None:
    """A response Bundle that names the header it answers and the fate of each recipient."""
    answer = accept(relay, "gallbladder")
    response = fhir_json.read(answer.body)
    header = response["entry"][0]["resource"]  # type: ignore[index,call-overload]

    assert (answer.status, header["response"]["identifier"], header["response"]["code"]) == (
        200,
        "34773a90-7961-5de4-9645-c46a6abfb152",
        "ok",
    )
    assert [issue for issue in site.validator().validate(response) if issue.is_error] == []


def test_the_answer_names_recipient_state_and_level(relay: Relay) -> None:
    """Queued, for whom, and how much of it."""
    [first, *_] = site.told(accept(relay, "gallbladder").body)["issue"]

    assert first["extension"][0]["valueIdentifier"]["value"] == KASKELA
    assert [each["code"] for each in first["details"]["coding"]] == ["PN401", "queued", "clinical"]


def test_an_hl7_v2_sender_may_have_an_acknowledgement(relay: Relay) -> None:
    """AA with the control id, and one ERR for the recipient."""
    answer = intake.accept(site.case("back-surgery").submission, relay, ["x-application/hl7-v2+er7"])
    segments = answer.body.decode().split("\r")

    assert segments[1] == "MSA|AA|OB260302-0001"
    assert segments[2].split("|")[5:8] == ["PN401", "", KASKELA]


def test_an_unrouted_message_waits_for_a_person(relay: Relay) -> None:
    """The sender is told that nobody has been told yet."""
    answer = accept(relay, "no-route")

    assert (row(relay, answer).state, site.codes(answer.body)[:2]) == (
        MessageState.NEEDS_ROUTING,
        ["PN403", "RT101"],
    )


def test_a_person_assigns_what_was_unrouted(relay: Relay) -> None:
    """With evidence; then it is decided as for any other recipient."""
    message = accept(relay, "no-route").message
    assert message is not None

    fate = intake.assign(message, KASKELA, relay, actor="koordinaattori", evidence="potilas vahvisti 20.3.")

    [delivery] = relay.store.deliveries(message)
    assert (fate.recipient, delivery.recipient, delivery.evidence) == (
        KASKELA,
        KASKELA,
        "assigned:potilas vahvisti 20.3.",
    )


@pytest.mark.parametrize(
    ("recipient", "evidence", "code"),
    [
        (KASKELA, " ", "RT110"),
        (METSOLA, "potilas pyysi", "CO109"),
        ("urn:oid:1.2.246.99.1.2.3", "potilas pyysi", "RT103"),
    ],
)
def test_nobody_assigns_without_evidence_or_to_an_employer(
    relay: Relay, recipient: str, evidence: str, code: str
) -> None:
    """Nor to somebody the directory does not know."""
    message = accept(relay, "no-route").message
    assert message is not None

    with pytest.raises(NotPermitted) as caught:
        intake.assign(message, recipient, relay, actor="koordinaattori", evidence=evidence)

    assert caught.value.code == code


def test_several_are_assigned_together_or_none(relay: Relay) -> None:
    """One that cannot be leaves the message waiting; then both are, each on evidence of its own."""
    message = accept(relay, "no-route").message or ""
    with pytest.raises(NotPermitted, match="RT103"):
        intake.assign_all(message, {KASKELA: "vahvisti", "urn:oid:1.2.3.4.5": "vahvisti"}, relay, actor="K")
    waiting = relay.store.message(message).state.value

    fates = intake.assign_all(message, {KASKELA: "vahvisti", PIHLAJA: "vahvisti myös"}, relay, actor="K")

    evidence = {each.recipient: each.evidence for each in relay.store.deliveries(message)}
    assert (waiting, len(fates)) == ("needs-routing", 2)
    assert evidence == {KASKELA: "assigned:vahvisti", PIHLAJA: "assigned:vahvisti myös"}


def test_what_does_not_wait_cannot_be_assigned(relay: Relay) -> None:
    """An accepted message has its recipients."""
    message = accept(relay, "back-surgery").message
    assert message is not None

    with pytest.raises(Conflict) as caught:
        intake.assign(message, ASUND, relay, actor="koordinaattori", evidence="x")

    assert caught.value.code == "RT112"


# Cancellation and correction ------------------------------------------------------------------------------


def test_a_cancellation_closes_the_unsent_copy(relay: Relay) -> None:
    """The original's delivery is closed in the same commit, and the cancellation knows whom it concerns."""
    original = accept(relay, "back-surgery")

    answer = accept(relay, "back-surgery-cancelled")

    assert [each.state for each in deliveries(relay, original)] == [DeliveryState.CLOSED]
    assert row(relay, answer).cancels == original.message


def test_a_cancellation_is_made_for_each_recipient(relay: Relay) -> None:
    """One delivery of kind cancellation per recipient of the original; one nobody sent is closed later."""
    accept(relay, "back-surgery")

    answer = accept(relay, "back-surgery-cancelled")

    assert [(each.recipient, each.kind) for each in deliveries(relay, answer)] == [
        (KASKELA, Kind.CANCELLATION)
    ]


def test_q2_a_cancellation_of_something_unknown_is_kept_and_holds(relay: Relay) -> None:
    """It is a success with a finding; the notification that comes after it is not relayed."""
    cancel, late = accept(relay, "back-surgery-cancelled"), accept(relay, "back-surgery")

    assert (cancel.status, "PN141" in site.codes(cancel.body)) == (200, True)
    assert (site.codes(late.body)[0], deliveries(relay, late)) == ("PN143", [])


def test_a_cancellation_of_what_nobody_was_told_says_so(relay: Relay) -> None:
    """Withheld from everybody: there is nothing to take back."""
    accept(relay, "no-sick-leave")
    message = site.case("no-sick-leave").body.replace(b"ADT^A03", b"ADT^A13").replace(b"|OB2603", b"|XX2603")

    answer = accept(relay, "no-sick-leave", body=message)

    assert (answer.status, "PN142" in site.codes(answer.body)) == (200, True)


def test_after_a_cancellation_the_notification_may_come_again(relay: Relay) -> None:
    """A second discharge of the same visit is told, not taken for a repeat of the first."""
    accept(relay, "back-surgery")
    accept(relay, "back-surgery-cancelled")
    again = edited("back-surgery", ("OB260302-0001", "OB260302-0777"), ("20260304140500", "20260318140500"))

    answer = accept(relay, "back-surgery", body=again)

    assert (row(relay, answer).state, [each.state for each in deliveries(relay, answer)]) == (
        MessageState.ACCEPTED,
        [DeliveryState.QUEUED],
    )


def test_a_correction_supersedes_the_unsent_copy(relay: Relay) -> None:
    """The first version is closed, the second queued."""
    first = accept(relay, "hernia-cda")

    second = accept(relay, "hernia-cda-corrected")

    assert row(relay, second).cancels == first.message
    assert [each.state for each in deliveries(relay, first)] == [DeliveryState.CLOSED]
    assert [each.state for each in deliveries(relay, second)] == [DeliveryState.QUEUED]


def test_q2_a_version_that_comes_after_its_correction_is_not_sent(relay: Relay) -> None:
    """Order of sending decides, not order of arrival."""
    accept(relay, "hernia-cda-corrected")

    late = accept(relay, "hernia-cda")

    assert (site.codes(late.body)[0], deliveries(relay, late)) == ("PN145", [])


def test_h4_a_cancellation_about_another_person_is_refused(relay: Relay) -> None:
    """The same notification id with another person: neither may speak for the other."""
    accept(relay, "back-surgery")
    other = edited(
        "back-surgery-cancelled", ("120574-902Y", "010190-999W"), ("19740512", "19900101"), ("|F|", "|M|")
    )

    answer = accept(relay, "back-surgery-cancelled", body=other)

    assert (answer.status, "PN144" in site.codes(answer.body)) == (422, True)


# Walls and accounts ---------------------------------------------------------------------------------------


def test_a_test_message_is_refused_in_production(tmp_path: Path) -> None:
    """Both the mark and the range of the identity code say what it is."""
    relay = site.relay_in(tmp_path, mode=Mode.PRODUCTION)
    answer = accept(relay, "back-surgery")
    relay.store.close()

    assert (answer.status, {"PN108", "PN110"} <= set(site.codes(answer.body))) == (422, True)


def test_h2_a_consent_of_a_merged_person_is_not_the_others(relay: Relay) -> None:
    """H2: given under one identity it says nothing for another until a person has filed it there."""
    accept(relay, "back-surgery")
    mine = edited(
        "back-surgery", ("120574-902Y", "120574-924N"), ("OB260302", "XX260302"), ("V2603", "W2603")
    )

    answer = accept(relay, "back-surgery", body=mine)

    assert [(each.state.value, each.reason) for each in deliveries(relay, answer)] == [("withheld", "CO101")]


@pytest.mark.parametrize(("days", "found"), [(90, []), (91, ["PN113"])], ids=["Q3 within", "Q3 beyond"])
def test_q3_what_was_never_taken_has_an_age(tmp_path: Path, days: int, found: list[str]) -> None:
    """Q3: beyond the age limit it is refused with its finding, and the audit says so."""
    relay = site.relay_in(tmp_path, oldest=timedelta(days=90))
    sent = datetime(2026, 3, 4, 14, 5, tzinfo=relay.zone)

    answer = accept(relay, "back-surgery", received_at=sent + timedelta(days=days, seconds=-1))

    rows = relay.store.audit_rows(object=f"message/{answer.message}")
    relay.store.close()
    assert [each for each in site.codes(answer.body) if each == "PN113"] == found
    assert (answer.status == 422, "PN113" in [each.reason for each in rows]) == (bool(found), bool(found))


def test_m2_what_maps_into_too_much_is_refused(relay: Relay) -> None:
    """M2: many procedures are more entries than a FHIR message may have: 413, kept, and told so."""
    more = b"".join(b"PR1|%d||ABC16^x^1.2.246.537.6.2||202603021030\r" % number for number in range(600))

    answer = accept(relay, "back-surgery", body=site.case("back-surgery").body + more)

    assert (answer.status, site.codes(answer.body)) == (413, ["FH125"])
    assert row(relay, answer).state is MessageState.UNREADABLE


def test_a_message_without_the_mark_is_refused_in_test(relay: Relay) -> None:
    """MSH-11 P does not belong here."""
    answer = accept(relay, "back-surgery", body=edited("back-surgery", ("|T|2.5", "|P|2.5")))

    [missing] = (each for each in site.told(answer.body)["issue"] if "PN111" in str(each))
    assert (answer.status, missing["location"]) == (422, ["MSH-11"])


def test_a_partner_of_the_other_mode_gets_nothing(tmp_path: Path) -> None:
    """A partner in production is no recipient of a test."""
    partners = {KASKELA: replace(site.partner(KASKELA), mode=Mode.PRODUCTION)}
    relay = site.relay_in(tmp_path, partners=partners)
    [delivery] = deliveries(relay, accept(relay, "back-surgery"))
    relay.store.close()

    assert (delivery.state, delivery.reason) == (DeliveryState.WITHHELD, "RT109")


def test_every_step_is_in_the_audit(relay: Relay) -> None:
    """Accepting and deciding, with recipient, evidence, level and basis, and no content."""
    answer = accept(relay, "back-surgery")
    rows = relay.store.audit_rows(object=f"message/{answer.message}")

    assert [each.action for each in rows] == ["accept", "decide"]
    assert "luovutuslupa:Consent/l-2025-3381#1" in str(rows[1].detail)


@pytest.mark.parametrize("name", [case.name for case in site.cases()])
def test_d23_no_answer_quotes_the_patient(relay: Relay, name: str) -> None:
    """Neither identity code nor name stands in what the sender is told, or in the audit."""
    case = site.case(name)
    answer = intake.accept(case.submission, relay)
    said = answer.body.decode() + str(relay.store.audit_rows())
    content = relay.store.content(answer.message or "") if answer.message else None
    patients = [
        each["resource"]
        for each in (json.loads(content)["entry"] if content else [])
        if each["resource"]["resourceType"] == "Patient"
    ]
    values = [each["value"] for patient in patients for each in patient["identifier"]]
    values += [name["family"] for patient in patients for name in patient["name"] if "family" in name]

    assert [value for value in values if value in said] == []


def test_what_a_message_means_is_stored(relay: Relay) -> None:
    """Meaning, event, notification and the first of the clocks."""
    stored = row(relay, accept(relay, "back-surgery"))

    assert (stored.meaning, stored.event, stored.notification, stored.happened_at) == (
        Meaning.DONE,
        "procedure-notification",
        "https://silta.example/fhir/sid/v2-visit|V2603-118",
        "2026-03-02T10:30:00+02:00",
    )


HOSTILE = ("json-hostile", "xml-hostile", "hl7v2-edge")


@pytest.mark.corpus
@pytest.mark.parametrize("place", HOSTILE)
def test_no_hostile_file_brings_the_door_down(relay: Relay, corpus: Path, place: str) -> None:
    """Every file of the corpus is answered by 2xx or 4xx, whatever it claims to be."""
    kinds = {"json-hostile": ("json", "fhir"), "xml-hostile": ("cda", "fhir"), "hl7v2-edge": ("hl7v2",)}
    statuses: dict[str, int] = {}
    for path in sorted(each for each in (corpus / place).rglob("*") if each.is_file()):
        for kind in kinds[place]:
            media_type = {
                "json": "application/json",
                "cda": "application/xml",
                "hl7v2": "application/hl7-v2",
            }.get(kind, "application/fhir+json" if place == "json-hostile" else "application/fhir+xml")
            submission = site.submission_of(path.read_bytes(), media_type, TUULILAHTI)
            statuses[f"{path.name} {kind}"] = intake.accept(submission, relay).status

    assert {name: status for name, status in statuses.items() if status not in (200, 400, 413, 422)} == {}


def test_the_callers_credentials_say_who_sends(relay: Relay) -> None:
    """A message in another hospital's name is refused, and stands as the caller's."""
    answer = accept(relay, "gallbladder", sender=HAVUNIEMI)

    assert (row(relay, answer).sender, "PN147" in site.codes(answer.body)) == (HAVUNIEMI, True)


def test_the_lineage_of_a_message_can_be_had_later(relay: Relay) -> None:
    """Made anew from what was kept: the procedure's code came from PR1-3."""
    answer = accept(relay, "back-surgery")
    steps = intake.lineage_of(answer.message or "", relay) or []

    assert any("PR1-3.1" in step["sources"] for step in steps)


def test_a_message_that_came_as_fhir_has_no_lineage(relay: Relay) -> None:
    """Nothing was mapped."""
    assert intake.lineage_of(accept(relay, "gallbladder").message or "", relay) is None


CONTROL_ID = {"back-surgery": "OB260302-0001", "back-surgery-cancelled": "OB260305-0044"}


def test_a_notification_and_its_cancellation_at_the_same_moment_know_of_each_other(relay: Relay) -> None:
    """Handed in together they end as if one had come after the other: no copy stays queued."""

    def hand_in(name: str, turn: int) -> Answer:
        body = edited(name, ("V2603-118", f"V-{turn}"), (CONTROL_ID[name], f"{turn}-{len(name)}"))
        return accept(relay, name, body=body)

    for turn in range(8):
        with ThreadPoolExecutor(2) as pool:
            notified, _ = pool.map(hand_in, CONTROL_ID, (turn, turn))
        assert {each.state for each in deliveries(relay, notified)} <= {DeliveryState.CLOSED}
