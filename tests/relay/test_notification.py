"""The facts of a notification, and what its content contradicts. Everybody in here is invented."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.relay import notification
from adapter.relay.message import Meaning, Mode
from tests.relay.notes import CLINIC, EMPLOYER, HOSPITAL, IDENTITY_CODE, bundle, concept, resource, without

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
HELSINKI = ZoneInfo("Europe/Helsinki")


def codes(
    message: dict[str, Any], meaning: Meaning = Meaning.DONE, mode: Mode = Mode.TEST, now: datetime = NOW
) -> list[str]:
    """The finding codes of a message."""
    found = notification.faults(notification.read(message), meaning, mode, now=now, zone=HELSINKI)
    return [issue.code for issue in found]


def test_it_reads_who_what_and_for_whom() -> None:
    """The facts of a whole message stand where the deciding functions look for them."""
    facts = notification.read(bundle(employer=EMPLOYER))

    assert facts.patient is not None
    assert (
        facts.identifier,
        facts.event,
        facts.reason,
        facts.sender,
        [each.key for each in facts.requested],
        facts.employer,
        facts.patient.identity_code,
        facts.sick_leave,
        facts.happened_at,
        facts.day,
        facts.is_test,
    ) == (
        "urn:visits|V-1",
        "procedure-notification",
        "done",
        HOSPITAL,
        [CLINIC],
        EMPLOYER,
        IDENTITY_CODE,
        (date(2026, 3, 2), date(2026, 3, 31)),
        "2026-03-02T10:30:00+02:00",
        date(2026, 3, 2),
        True,
    )


def test_a_recipient_without_an_identifier_is_not_passed_over() -> None:
    """A name alone is nobody, and it shows as nobody."""
    message = bundle()
    resource(message, "Communication")["recipient"] = [{"display": "Työterveys"}]

    assert [each.key for each in notification.read(message).requested] == [None]


def test_a_practitioner_role_speaks_for_its_organisation() -> None:
    """A recipient that is a role is the organisation it belongs to."""
    message = bundle()
    role = {"resourceType": "PractitionerRole", "organization": {"reference": "urn:recipient-0"}}
    message["entry"].append({"fullUrl": "urn:role", "resource": role})
    resource(message, "Communication")["recipient"] = [{"reference": "urn:role"}]

    assert [each.key for each in notification.read(message).requested] == [CLINIC]


def test_the_identity_code_names_the_person() -> None:
    """Whatever stands first, the personal identity code is the person's identifier."""
    message = bundle()
    resource(message, "Patient")["identifier"].reverse()

    patient = notification.read(message).patient

    assert patient is not None
    assert patient.identifier == ("urn:oid:1.2.246.21", IDENTITY_CODE)


def test_h3_labels_are_taken_from_every_resource() -> None:
    """A protected address is one wherever the label stands."""
    message = bundle()
    system, code = notification.TURVAKIELTO
    resource(message, "Procedure")["meta"] = {"security": [{"system": system, "code": code}]}

    assert notification.read(message).has_turvakielto


def test_a_fault_free_message_has_no_faults() -> None:
    """Nothing is found where nothing is wrong."""
    assert codes(bundle()) == []


IDENTITY = {
    "birth date": ({"birthDate": "1990-01-02"}, ["PN106"]),
    "a year alone agrees": ({"birthDate": "1990"}, []),
    "sex": ({"gender": "female"}, ["PN107"]),
    "sex unknown": ({"gender": "unknown"}, []),
    "nobody": ({"identifier": []}, ["PN101"]),
}


@pytest.mark.parametrize(("change", "expected"), IDENTITY.values(), ids=IDENTITY)
def test_h4_birth_date_and_sex_must_agree_with_the_code(change: dict[str, Any], expected: list[str]) -> None:
    """A person who contradicts the own identity code is nobody certain."""
    assert codes(bundle(patient=change)) == expected


WALLS = {
    ("test", True, "010190-999W"): [],
    ("test", False, "010190-999W"): ["PN111"],
    ("production", True, "010190-999W"): ["PN108", "PN110"],
    ("production", False, "010190-999W"): ["PN108"],
}


@pytest.mark.parametrize(("given_case", "expected"), WALLS.items(), ids=str)
def test_test_and_production_are_walled_off(given_case: tuple[str, bool, str], expected: list[str]) -> None:
    """The mark of the message and the range of the identity code must be the deployment's own."""
    mode, marked, _ = given_case

    assert codes(bundle(test=marked), mode=Mode(mode)) == expected


def test_a_code_outside_the_test_range_is_refused_in_test() -> None:
    """An individual number that somebody may have does not belong in a test."""
    # 002-899 is built here, so that none is ever written down.
    outside = f"010190-{899}{'0'}"
    change = {"identifier": [{"system": "urn:oid:1.2.246.21", "value": outside}], "gender": "male"}

    assert "PN109" in codes(bundle(patient=change))


DONE = {
    "done": ("done", "completed", "2026-03-02", []),
    "planned is not done": ("planned", "completed", "2026-03-02", ["PN120"]),
    "an update is not done": ("update", "completed", "2026-03-02", ["PN120"]),
    "planned and not said to be done": ("planned", "preparation", "2026-05-02", []),
    "without a time": ("done", "completed", None, ["PN122"]),
    "tomorrow": ("done", "completed", "2026-03-05", ["PN121"]),
    "today": ("done", "completed", "2026-03-04", []),
    "next month": ("done", "completed", "2026-04", ["PN121"]),
    "this month": ("done", "completed", "2026-03", []),
    "in an hour": ("done", "completed", "2026-03-04T15:00:00+02:00", ["PN121"]),
    "an hour ago": ("done", "completed", "2026-03-04T13:00:00+02:00", []),
}


@pytest.mark.parametrize(("meaning", "status", "performed", "expected"), DONE.values(), ids=DONE)
def test_a_procedure_is_done_only_in_the_past_and_by_an_event_that_says_so(
    meaning: str, status: str, performed: str | None, expected: list[str]
) -> None:
    """A planned, cancelled or billed procedure never becomes a done one."""
    message = bundle(status=status, performed=performed, reason=meaning)

    assert codes(message, Meaning(meaning)) == expected


def test_a_notification_without_an_identifier_is_refused() -> None:
    """Without it no correction and no cancellation would ever find it."""
    message = bundle()
    del resource(message, "Communication")["identifier"]

    assert codes(message) == ["PN112"]


def test_specialties_are_found() -> None:
    """The specialty of a role is seen by the sensitive list."""
    message = without(bundle(), "Condition")
    role = {"resourceType": "PractitionerRole", "specialty": [concept("urn:oid:1.2.246.537.6.148", "70")]}
    message["entry"].append({"resource": role})

    assert notification.read(message).specialties == (("urn:oid:1.2.246.537.6.148", "70"),)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def broken(draw: st.DrawFn) -> dict[str, Any]:
    """A message with something else in the place of one of its parts."""
    message = bundle(employer=EMPLOYER)
    place: Any = message
    for _ in range(draw(st.integers(0, 6))):
        options = list(place) if isinstance(place, dict) else list(range(len(place)))
        step = draw(st.sampled_from(options))
        if not isinstance(place[step], dict | list) or not place[step]:
            break
        place = place[step]
    options = list(place) if isinstance(place, dict) else list(range(len(place)))
    place[draw(st.sampled_from(options))] = draw(anything)
    return message


@settings(max_examples=200, deadline=None)
@given(broken())
def test_reading_never_fails(message: dict[str, Any]) -> None:
    """Whatever stands where it should not is read as absent."""
    facts = notification.read(message)

    assert notification.faults(facts, Meaning.DONE, Mode.TEST, now=NOW, zone=HELSINKI) is not None
