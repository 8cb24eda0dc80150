"""Disclosure: what a copy carries, and everything it must not. Everybody in here is invented."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.relay import allow_list, disclosure
from adapter.relay.disclosure import Envelope, House
from adapter.relay.message import Level, Meaning, Mode
from adapter.relay.notification import TURVAKIELTO
from tests.relay import site
from tests.relay.notes import BASE, CLINIC, EMPLOYER, HOSPITAL, IDENTITY_CODE, bundle, concept, resource

ENVELOPE = Envelope(
    bundle_id="11111111-1111-4111-8111-111111111111",
    header_id="22222222-2222-4222-8222-222222222222",
    notification_id="33333333-3333-8333-8333-333333333333",
    message_id="44444444-4444-4444-8444-444444444444",
    event="procedure-notification",
    meaning=Meaning.DONE,
    sender=House(key=HOSPITAL, name="Keskussairaala", phone="014 000 0000"),
    recipient=House(key=CLINIC, name="Työterveys"),
    endpoint="https://clinic.invalid/fhir",
    address="https://silta.invalid/fhir",
    name="Silta",
    basis="luovutuslupa",
    purpose="TREAT",
    mode=Mode.TEST,
    language="fi",
    at=datetime(2026, 3, 4, 12, 0, tzinfo=UTC),
)


def copy(message: dict[str, Any], level: Level = Level.MINIMAL, **change: Any) -> dict[str, Any]:
    """One recipient's copy."""
    return disclosure.copy_for(message, level, replace(ENVELOPE, **change))


def kinds(made: dict[str, Any]) -> list[str]:
    """Resource types of a copy, in order."""
    return [each["resource"]["resourceType"] for each in made["entry"]]


def written(made: dict[str, Any]) -> str:
    """The copy as one text."""
    return json.dumps(made, ensure_ascii=False)


def test_the_minimal_copy_says_that_there_was_an_episode_and_a_leave() -> None:
    """Person, leave, request, hospital and recipient; no procedure, no diagnosis."""
    assert kinds(copy(bundle())) == [
        "MessageHeader",
        "Communication",
        "Patient",
        "Observation",
        "ServiceRequest",
        "Organization",
        "Organization",
        "Provenance",
    ]


def test_the_clinical_copy_says_what_was_done() -> None:
    """Procedure and diagnosis stand in it, with the references between them."""
    made = copy(bundle(), Level.CLINICAL)
    urls = {each["fullUrl"]: each["resource"]["resourceType"] for each in made["entry"]}
    communication = resource(made, "Communication")

    assert [urls[each["reference"]] for each in communication["about"]] == [
        "Procedure",
        "ServiceRequest",
        "Observation",
    ]
    assert resource(made, "Procedure")["code"]["coding"][0]["code"] == "NGD10"


@pytest.mark.parametrize("level", list(Level))
def test_a_referral_that_came_in_stays_with_the_hospital(level: Level) -> None:
    """Whatever it asks, it was put to the hospital: no recipient is asked it in the hospital's name."""
    message = bundle(referrers=(CLINIC,))
    for each in message["entry"]:
        if each["fullUrl"] == "urn:referral-0":
            each["resource"]["code"] = concept(f"{BASE}/CodeSystem/oh-request", "assess-work-ability")

    assert copy(message, level) == copy(bundle(), level)


def test_the_event_of_a_minimal_copy_is_a_care_episode() -> None:
    """Whatever the message's own event was."""
    made = [
        copy(bundle(), event=event)
        for event in ("procedure-notification", "correction", "work-ability-referral")
    ]

    assert {resource(each, "MessageHeader")["eventCoding"]["code"] for each in made} == {
        "care-episode-notification"
    }


@pytest.mark.parametrize("level", list(Level))
def test_the_relay_is_the_source_and_nobody_else_is_told(level: Level) -> None:
    """Source, sender, one destination and one recipient are the relay's own."""
    message = bundle(recipients=(CLINIC, "urn:oid:1.2.246.10.5555555.10.1"))
    made = copy(message, level)
    header = resource(made, "MessageHeader")

    assert header["source"] == {"name": "Silta", "endpoint": "https://silta.invalid/fhir"}
    assert [each["endpoint"] for each in header["destination"]] == ["https://clinic.invalid/fhir"]
    assert len(resource(made, "Communication")["recipient"]) == 1
    assert "5555555" not in written(made)


@pytest.mark.parametrize("level", list(Level))
def test_the_employer_is_never_in_a_copy(level: Level) -> None:
    """It is read to find the provider and stays here."""
    made = copy(bundle(employer=EMPLOYER), level)

    assert "1234567-8" not in written(made)
    assert "Keksitty Oy" not in written(made)


def test_the_given_ids_are_the_copys_only_ids() -> None:
    """Bundle and header have the ids they were given; the sender's own do not come through at minimal."""
    made = copy(bundle())

    assert (made["id"], resource(made, "MessageHeader")["id"]) == (ENVELOPE.bundle_id, ENVELOPE.header_id)
    assert not re.search(r"bundle-1|header-1|V-1|urn:visits", written(made))


def test_the_same_arguments_give_the_same_copy() -> None:
    """A repeat is byte for byte the same."""
    assert written(copy(bundle(), Level.CLINICAL)) == written(copy(bundle(), Level.CLINICAL))


def test_the_senders_message_is_not_touched() -> None:
    """Copying changes nothing of what came in."""
    message = bundle()
    before = written(message)

    copy(message, Level.CLINICAL)

    assert written(message) == before


@pytest.mark.parametrize("level", list(Level))
def test_d7_what_is_not_listed_is_dropped(level: Level) -> None:
    """Unknown elements, extensions, contained resources, other types and the sender's narrative."""
    message = bundle()
    secret = {"url": "urn:secret", "valueString": "SALAISUUS"}
    for entry in message["entry"]:
        entry["resource"] |= {
            "extension": [*entry["resource"].get("extension", []), secret],
            "modifierExtension": [secret],
            "contained": [{"resourceType": "Basic", "id": "SALAISUUS"}],
            "text": {"status": "generated", "div": "<div>SALAISUUS</div>"},
            "unheardOf": "SALAISUUS",
            "_status": {"extension": [secret]},
        }
    for kind in ("DocumentReference", "Binary", "MedicationStatement", "Encounter", "Practitioner"):
        message["entry"].append(
            {"fullUrl": f"urn:{kind}", "resource": {"resourceType": kind, "id": "SALAISUUS"}}
        )
    lab = {"resourceType": "Observation", "code": concept("http://loinc.org", "SALAISUUS"), "status": "final"}
    message["entry"].append({"fullUrl": "urn:lab", "resource": lab})
    resource(message, "Communication")["about"].append({"reference": "urn:lab", "display": "SALAISUUS"})
    resource(message, "Communication")["payload"].append({"contentAttachment": {"title": "SALAISUUS"}})

    assert "SALAISUUS" not in written(copy(message, level))


VIEWING = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition/ReleaseDateForPatientViewing"


def delayed(message: dict[str, Any], *days: str) -> dict[str, Any]:
    """The message with its sender's word on when the patient may be shown it, one part after the other."""
    for number, day in enumerate(days):
        said = {
            "resourceType": "Provenance",
            "extension": [{"url": VIEWING, "valueDate": day}, {"url": "urn:secret", "valueDate": day}],
            "recorded": "2026-03-02T12:00:00+02:00",
        }
        message["entry"].append({"fullUrl": f"urn:provenance:{number}", "resource": said})
    return message


@pytest.mark.parametrize("level", list(Level))
def test_d14_the_day_of_patient_viewing_travels_on(level: Level) -> None:
    """D14: the latest day of any part is that of the whole copy; no other extension goes with it."""
    made = copy(delayed(bundle(), "2026-04-01", "2026-05-01"), level)

    assert resource(made, "Provenance")["extension"] == [{"url": VIEWING, "valueDate": "2026-05-01"}]


def test_d14_what_the_sender_did_not_delay_is_not_delayed() -> None:
    """D14: without a word of the sender the copy has none; nor has what is taken back."""
    assert "extension" not in resource(copy(bundle()), "Provenance")
    taken_back = copy(delayed(bundle(), "2026-04-01"), meaning=Meaning.CANCEL)
    assert "extension" not in resource(taken_back, "Provenance")


FORBIDDEN = (
    "KIR2",
    "NGD10",
    "M23.2",
    "kir2",
    "Kirurgi",
    "014 000 1111",
    "040 000 0000",
    "Keksitty tie",
    "1234567-8",
)


def test_d10_h6_minimal_leaks_nothing_of_the_ward() -> None:
    """No unit, procedure, diagnosis, performer, phone, endpoint, local number or free text."""
    made = written(copy(bundle(employer=EMPLOYER)))

    assert [each for each in FORBIDDEN if each in made] == []


def test_d10_the_contact_of_a_minimal_copy_is_the_switchboard() -> None:
    """One number, from the directory."""
    extensions = resource(copy(bundle()), "Communication")["extension"]

    assert [each["valueContactPoint"]["value"] for each in extensions if "valueContactPoint" in each] == [
        "014 000 0000"
    ]


def test_d10_the_person_has_the_identity_code_alone() -> None:
    """A local number names the unit that gave it."""
    identifiers = resource(copy(bundle()), "Patient")["identifier"]

    assert [each["value"] for each in identifiers] == [IDENTITY_CODE]


UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)")


def bare(made: dict[str, Any]) -> str:
    """A copy without its UUIDs and times."""
    return TIME.sub("T", UUID.sub("U", written(made)))


def _two_wards(ward: str, procedure: str, diagnosis: str, extra: bool) -> tuple[str, str]:
    shared: dict[str, Any] = {"employer": EMPLOYER}
    one = bundle(**shared)
    other = bundle(**shared, ward=ward, procedure=procedure, diagnosis=diagnosis)
    if extra:
        role = {"resourceType": "PractitionerRole", "specialty": [concept("urn:oid:1.2.246.537.6.148", ward)]}
        encounter = {
            "resourceType": "Encounter",
            "identifier": [{"use": "official", "value": f"urn:oid:1.2.{len(ward)}"}],
        }
        second = {"resourceType": "Procedure", "status": "completed", "code": {"text": procedure}}
        other["entry"] += [
            {"fullUrl": f"urn:{n}", "resource": each} for n, each in enumerate((role, encounter, second))
        ]
        resource(other, "Communication")["about"].insert(0, {"reference": "urn:2"})
        resource(other, "Communication")["extension"].append(
            {"url": f"{BASE}/StructureDefinition/contact-point", "valueContactPoint": {"value": ward}}
        )
        other["meta"]["security"] = [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSY"}
        ]
    ids = {
        "bundle_id": "55555555-5555-4555-8555-555555555555",
        "header_id": "66666666-6666-4666-8666-666666666666",
        "notification_id": "77777777-7777-8777-8777-777777777777",
        "message_id": "88888888-8888-4888-8888-888888888888",
        "at": datetime(2026, 4, 1, 1, 2, 3, tzinfo=UTC),
    }
    return bare(copy(one)), bare(copy(other, **ids))


codes = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.", min_size=1, max_size=8)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=12), codes, codes, st.booleans())
def test_d10_two_wards_give_byte_equal_minimal_copies(
    ward: str, procedure: str, diagnosis: str, extra: bool
) -> None:
    """Two messages that differ only in ward and procedure are the same but for UUIDs and times."""
    one, other = _two_wards(ward, procedure, diagnosis, extra)

    assert one == other


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None)
@given(st.text(min_size=1, max_size=12), codes, codes, st.booleans())
def test_d10_ten_thousand_wards_give_byte_equal_minimal_copies(
    ward: str, procedure: str, diagnosis: str, extra: bool
) -> None:
    """The same over ten thousand."""
    one, other = _two_wards(ward, procedure, diagnosis, extra)

    assert one == other


def _paths(value: Any, path: str = "") -> set[str]:
    if isinstance(value, dict):
        return set().union(*(_paths(each, f"{path}.{key}") for key, each in value.items()), set())
    if isinstance(value, list):
        return set().union(*(_paths(each, path) for each in value), set())
    return {path.lstrip(".")}


@cache
def _allowed(level: Level) -> set[str]:
    """Every leaf path the table lets go, spelled out by reading the table once more."""
    lines = disclosure.allow_list()

    def leaves(kind: str, prefix: str) -> set[str]:
        found: set[str] = set()
        for line in lines:
            if line.type == kind and level in line.levels:
                here = f"{prefix}.{line.element}"
                if line.shape == "value":
                    found.add(here)
                elif line.shape == "Reference":
                    found.add(f"{here}.reference")
                else:
                    found |= leaves(line.shape, here)
        return found

    return set().union(*(leaves(kind, kind) for kind in disclosure.CONTENT))


OWN = {
    "resourceType",
    "id",
    "meta.profile",
    "subject.reference",
    "requester.reference",
    "performer.reference",
}


@st.composite
def cluttered(draw: st.DrawFn) -> dict[str, Any]:
    """A message with any element of anything anywhere."""
    message = bundle(employer=EMPLOYER, leave=draw(st.sampled_from([None, ("2026-03-02", "2026-03-31")])))
    names = [
        "note",
        "display",
        "code",
        "value",
        "reference",
        "text",
        "extension",
        "identifier",
        "performer",
        "x",
    ]
    leaf = st.sampled_from(["KIR2", 7, True, None])
    tree = st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(names), inner, max_size=3)
        ),
        max_leaves=5,
    )
    for entry in message["entry"]:
        for name in draw(st.lists(st.sampled_from(names), max_size=3)):
            if name not in entry["resource"]:
                entry["resource"][name] = draw(tree)
    return message


@settings(max_examples=100, deadline=None)
@given(cluttered(), st.sampled_from(list(Level)))
def test_d7_h6_no_generated_message_brings_a_forbidden_element(message: dict[str, Any], level: Level) -> None:
    """Every element of the content stands in the table for its level."""
    _no_forbidden(message, level)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, deadline=None)
@given(cluttered(), st.sampled_from(list(Level)))
def test_d7_h6_ten_thousand_messages_bring_no_forbidden_element(
    message: dict[str, Any], level: Level
) -> None:
    """The same over ten thousand."""
    _no_forbidden(message, level)


def _no_forbidden(message: dict[str, Any], level: Level) -> None:
    allowed = _allowed(level)
    for entry in copy(message, level)["entry"]:
        kind = entry["resource"]["resourceType"]
        if kind in disclosure.CONTENT:
            found = _paths(entry["resource"], kind) - {f"{kind}.{each}" for each in OWN}
            assert found <= allowed


SECRET = "NGD10"
HIDDEN: dict[str, Any] = {
    "text": {"text": {"status": "generated", "div": f"<div>{SECRET}</div>"}},
    "contained": {"contained": [{"resourceType": "Procedure", "id": "p", "code": concept("x", SECRET)}]},
    "extension": {"extension": [{"url": f"urn:{SECRET}", "valueString": SECRET}]},
    "modifier extension": {"modifierExtension": [{"url": "urn:x", "valueString": SECRET}]},
    "attachment": {"payload": [{"contentAttachment": {"title": SECRET, "data": "TkdEMTA="}}]},
    "note": {"note": [{"text": SECRET}]},
    "meta": {"meta": {"tag": [{"code": SECRET}], "source": f"urn:{SECRET}", "security": [{"code": SECRET}]}},
    "identifier": {"identifier": [{"system": "urn:x", "value": SECRET}]},
    "an element nobody knows": {"_x": SECRET, SECRET: SECRET},
}


@pytest.mark.parametrize("place", HIDDEN)
def test_h6_the_procedure_comes_out_of_no_place_of_a_minimal_copy(place: str) -> None:
    """H6: hidden in any resource of the message, the provenance among them, it stays here."""
    message = bundle(procedure=SECRET)
    provenance = {"resourceType": "Provenance", "activity": concept("x", SECRET), "text": {"div": SECRET}}
    message["entry"].append({"fullUrl": "urn:provenance", "resource": provenance})
    for entry in message["entry"]:
        entry["resource"] = HIDDEN[place] | entry["resource"]

    made = written(copy(message, Level.MINIMAL))

    assert [each for each in (SECRET, "TkdEMTA=") if each in made] == []


def _protected(message: dict[str, Any]) -> dict[str, Any]:
    system, code = TURVAKIELTO
    resource(message, "Patient")["meta"] = {"security": [{"system": system, "code": code}]}
    return message


@pytest.mark.parametrize("level", list(Level))
def test_d12_h3_turvakielto_strips_address_phone_and_municipality(level: Level) -> None:
    """Free text too, because an address may stand in it."""
    made = written(copy(_protected(bundle()), level))

    assert [each for each in ("Keksitty tie", "040 000 0000", "municipality", "Osasto") if each in made] == []


@pytest.mark.parametrize("level", list(Level))
def test_d12_h3_the_label_travels_on(level: Level) -> None:
    """On the person and on the message."""
    made = copy(_protected(bundle()), level)

    assert resource(made, "Patient")["meta"]["security"] == made["meta"]["security"]
    assert made["meta"]["security"][0]["code"] == "TURVAKIELTO"


def test_d12_without_turvakielto_the_clinical_copy_has_phone_and_address() -> None:
    """The label is what takes them out."""
    patient = resource(copy(bundle(), Level.CLINICAL), "Patient")

    assert (patient["telecom"][0]["value"], patient["address"][0]["city"]) == ("040 000 0000", "Keksilä")


@pytest.mark.parametrize("level", list(Level))
def test_a_cancellation_says_which_and_nothing_of_what_it_said(level: Level) -> None:
    """The person and the notification's own id; no procedure, no leave, no request."""
    made = copy(bundle(), level, meaning=Meaning.CANCEL, event="cancel")
    communication = resource(made, "Communication")

    assert kinds(made) == [
        "MessageHeader",
        "Communication",
        "Patient",
        "Organization",
        "Organization",
        "Provenance",
    ]
    assert (communication["status"], resource(made, "MessageHeader")["eventCoding"]["code"]) == (
        "entered-in-error",
        "cancel",
    )
    assert communication["identifier"] == resource(copy(bundle(), level), "Communication")["identifier"]


@pytest.mark.parametrize("level", list(Level))
def test_minimal_cancellations_of_two_wards_are_equal(level: Level) -> None:
    """Neither level of a cancellation tells where it came from, local numbers of the clinical one aside."""
    made = [bare(copy(bundle(ward=ward), Level.MINIMAL, meaning=Meaning.CANCEL)) for ward in ("KIR2", "PSYK")]

    assert made[0] == made[1], level


def test_a_test_message_stays_marked() -> None:
    """The mark is the deployment's, so that no copy ever loses it."""
    tags = [copy(bundle(), mode=mode)["meta"].get("tag") for mode in Mode]

    assert [bool(each) for each in tags] == [mode is Mode.TEST for mode in Mode]


NARRATIVE = {"fi": "Sairauspoissaolo", "sv": "Sjukfrånvaro", "en": "Sick leave"}


@pytest.mark.parametrize(("language", "word"), NARRATIVE.items())
def test_the_narrative_is_the_recipients_own_language(language: Any, word: str) -> None:
    """Who, leave, what is asked and on what ground, in Finnish, Swedish or English."""
    communication = resource(copy(bundle(), Level.CLINICAL, language=language), "Communication")
    div = communication["text"]["div"]

    assert communication["language"] == language
    assert word in div
    assert "Erkki Esimerkki" in div
    assert "2.3.2026–31.3.2026" in div


def test_the_narrative_is_escaped() -> None:
    """What a sender wrote is text, never markup."""
    patient = {"name": [{"text": "<script>alert(1)</script>"}]}
    div = resource(copy(bundle(patient=patient)), "Communication")["text"]["div"]

    assert "<script" not in div


def test_the_narrative_of_a_correction_says_so() -> None:
    """Whoever reads it knows that it replaces the earlier one."""
    div = resource(copy(bundle(), event="correction"), "Communication")["text"]["div"]

    assert "korvaa" in div


@pytest.mark.parametrize("level", list(Level))
def test_why_a_value_is_absent_travels_on(level: Level) -> None:
    """A data-absent-reason of the standard goes with its element; other extensions of it do not."""
    message = bundle(patient={"birthDate": None})
    absent = {"url": allow_list.ABSENT_REASON, "valueCode": "unknown"}
    patient = resource(message, "Patient")
    del patient["birthDate"]
    patient["_birthDate"] = {"extension": [absent, {"url": "urn:x", "valueString": "KIR2"}]}

    assert resource(copy(message, level), "Patient")["_birthDate"] == {"extension": [absent]}


COPIED = ("back-surgery", "gallbladder", "carpal-tunnel", "protected-address", "knee-arthroscopy-utf8")


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("name", COPIED)
@pytest.mark.parametrize("meaning", [Meaning.DONE, Meaning.CANCEL], ids=str)
def test_every_copy_keeps_our_own_profiles(name: str, level: Level, meaning: Meaning) -> None:
    """Header, notification and all that stands in it are valid against the profiles they claim."""
    case = site.case(name)
    if case.expected["media_type"] == "application/fhir+json":
        message = json.loads(case.body)
    else:
        mapped = site.maps()[case.expected["map"]].run(
            case.body,
            media_type=case.expected["media_type"],
            zone="Europe/Helsinki",
            constants={"sender": HOSPITAL},
        )
        message = mapped.resources[0]

    made = copy(message, level, meaning=meaning)

    assert [issue for issue in site.validator().validate(made) if issue.is_error] == []


def test_the_page_is_drawn_from_the_table() -> None:
    """docs/disclosure.md shows the table as it is."""
    page = (Path(__file__).parents[2] / "docs" / "disclosure.md").read_text("utf-8")

    assert disclosure.as_markdown().strip() in page


def test_every_shape_of_the_table_is_spelled_out() -> None:
    """No line names a shape that has no lines of its own at that level."""
    lines = disclosure.allow_list()
    for line in lines:
        if line.shape not in ("value", "Reference"):
            for level in line.levels:
                assert any(each.type == line.shape and level in each.levels for each in lines), line
