"""Eligibility by the agreement of hospital and provider. Everybody in here is invented."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from adapter.errors import ConfigurationError
from adapter.relay import eligibility, notification
from adapter.relay.eligibility import Eligible, NotEligible
from adapter.relay.message import Level, Meaning
from tests.relay.notes import CLINIC, HOSPITAL, bundle, resource

TABLE: dict[str, Any] = {
    "hospital": HOSPITAL,
    "provider": CLINIC,
    "events": ["procedure-notification"],
    "age": {"from": 18, "to": 67},
    "procedures": ["NGD", "NF"],
    "diagnoses": ["M"],
    "sick_leave": "required",
    "sensitive": {"procedures": ["L"], "diagnoses": ["F", "O0"], "specialties": ["70"]},
    "levels": ["minimal", "clinical"],
    "valid": {"from": date(2024, 1, 1), "to": date(2026, 12, 31)},
}
AGREEMENT = eligibility.read_agreement(TABLE)
DAY = date(2026, 3, 2)


def assess(message: dict[str, Any], meaning: Meaning = Meaning.DONE, **change: Any) -> Eligible | NotEligible:
    """Hold a message against the agreement."""
    facts = notification.read(message)
    return eligibility.assess(facts, meaning, replace(AGREEMENT, **change), facts.day)


def test_a_notification_that_fits_is_eligible() -> None:
    """Age, procedure, diagnosis, sick leave and day as agreed."""
    assert assess(bundle()) == Eligible(agreement=AGREEMENT)


NOT: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]] = {
    "PN202 before it holds": ({}, {"valid_from": date(2026, 3, 3)}, ("PN202",)),
    "PN202 after it held": ({}, {"valid_to": date(2026, 3, 1)}, ("PN202",)),
    "PN203 event": ({"event": "work-ability-referral"}, {}, ("PN203",)),
    "PN205 H2 a minor": ({}, {"age_from": 37}, ("PN205",)),
    "PN206 too old": ({}, {"age_to": 35}, ("PN206",)),
    "PN207 H2 deceased": ({"patient": {"deceasedDateTime": "2026-03-03"}}, {}, ("PN207",)),
    "PN208 procedure": ({"procedure": "ABC16"}, {}, ("PN208",)),
    "PN209 diagnosis": ({"diagnosis": "K80"}, {}, ("PN209",)),
    "PN210 sick leave": ({"leave": None}, {}, ("PN210",)),
    "PN216 not done": ({"status": "unknown", "performed": None}, {}, ("PN216", "PN208")),
    "every reason at once": (
        {"procedure": "ABC16", "leave": None, "patient": {"deceasedBoolean": True}},
        {"age_to": 30},
        ("PN206", "PN207", "PN208", "PN210"),
    ),
}


@pytest.mark.parametrize(("message", "change", "reasons"), NOT.values(), ids=NOT)
def test_h2_what_is_not_agreed_is_not_eligible(
    message: dict[str, Any], change: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    """Every reason comes back, each by its code."""
    assert assess(bundle(**message), **change) == NotEligible(reasons=reasons)


@pytest.mark.parametrize(("years", "fits"), [(17, False), (18, True), (67, True), (68, False)])
def test_both_ends_of_the_age_are_included(years: int, fits: bool) -> None:
    """The age is that of the day of the procedure, in whole years."""
    person = {"birthDate": f"{2026 - years}-03-02", "identifier": [{"system": "urn:x", "value": "1"}]}

    assert isinstance(assess(bundle(patient=person)), Eligible) is fits


def test_the_age_counts_at_the_procedure_and_not_today() -> None:
    """A birthday the day after the procedure does not count."""
    person = {"birthDate": "2008-03-03", "identifier": [{"system": "urn:x", "value": "1"}]}

    assert assess(bundle(patient=person)) == NotEligible(reasons=("PN205",))


def test_an_unknown_age_is_not_guessed() -> None:
    """With age limits and no birth date nobody is old enough."""
    person = {"birthDate": None, "identifier": [{"system": "urn:x", "value": "1"}]}

    assert assess(bundle(patient=person)) == NotEligible(reasons=("PN204",))


def test_someone_born_on_leap_day_is_older_on_the_first_of_march() -> None:
    """28 February is too early in a year without a 29th."""
    born = date(2008, 2, 29)

    assert [eligibility.age(born, day) for day in (date(2026, 2, 28), date(2026, 3, 1))] == [17, 18]


def test_planned_needs_to_be_agreed() -> None:
    """A planned procedure is told only where the agreement says so."""
    planned = bundle(status="preparation", reason="planned", performed="2026-05-02")

    answers = [assess(planned, Meaning.PLANNED, covers_planned=covered) for covered in (False, True)]

    assert [type(answer) for answer in answers] == [NotEligible, Eligible]


def test_no_agreement_means_not_eligible() -> None:
    """Two organisations that agreed on nothing send nothing."""
    facts = notification.read(bundle())

    assert eligibility.assess(facts, Meaning.DONE, None, DAY) == NotEligible(reasons=("PN201",))


SENSITIVE: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "procedure": ({"procedure": "LCH00"}, ("PN211",)),
    "diagnosis": ({"diagnosis": "F32.1"}, ("PN212",)),
    "diagnosis written without its dot": ({"diagnosis": "O049"}, ("PN212",)),
    "both": ({"procedure": "LCH00", "diagnosis": "F10"}, ("PN211", "PN212")),
}


@pytest.mark.parametrize(("message", "found"), SENSITIVE.values(), ids=SENSITIVE)
def test_what_is_sensitive_calls_for_a_person(message: dict[str, Any], found: tuple[str, ...]) -> None:
    """It is eligible, and never goes by itself."""
    answer = assess(bundle(**message), procedures=(), diagnoses=())

    assert isinstance(answer, Eligible)
    assert answer.sensitive == found


def test_a_sensitive_specialty_calls_for_a_person() -> None:
    """The specialty of the unit is enough."""
    message = bundle()
    coding = {"coding": [{"system": eligibility.SPECIALTY, "code": "70"}]}
    message["entry"].append({"resource": {"resourceType": "Encounter", "serviceType": coding}})
    answer = assess(message)

    assert isinstance(answer, Eligible)
    assert answer.sensitive == ("PN213",)


def test_a_diagnosis_in_reason_code_counts() -> None:
    """A diagnosis is one wherever the sender wrote it."""
    message = bundle()
    code = {"coding": [{"system": eligibility.ICD10, "code": "F32"}]}
    resource(message, "Communication")["reasonCode"] = [code]
    answer = assess(message)

    assert isinstance(answer, Eligible)
    assert answer.sensitive == ("PN212",)


def test_of_several_agreements_the_one_that_fits_decides() -> None:
    """An agreement that ended does not stand in the way of its successor."""
    old = replace(AGREEMENT, valid_to=date(2025, 12, 31), levels=frozenset({Level.MINIMAL}))
    new = replace(AGREEMENT, valid_from=date(2026, 1, 1))
    facts = notification.read(bundle())

    assert eligibility.assess_pair(facts, Meaning.DONE, [new, old], facts.day) == Eligible(agreement=new)


def test_a_table_is_read() -> None:
    """Dates may be written out, as they are after a passage through JSON."""
    as_json = TABLE | {"valid": {"from": "2024-01-01", "to": "2026-12-31"}}

    assert eligibility.read_agreement(as_json) == AGREEMENT


def test_every_fault_of_a_table_is_named_together() -> None:
    """An unknown key with its nearest, a missing one, values of the wrong kind."""
    faulty = {
        "hospital": HOSPITAL,
        "provider": 7,
        "event": [],
        "levels": ["all"],
        "age": {"form": 18, "to": "old"},
        "sick_leave": "always",
    }

    with pytest.raises(ConfigurationError) as caught:
        eligibility.read_agreement(faulty, "a-b")

    found = {(issue.code, issue.params["key"], issue.params.get("nearest")) for issue in caught.value.issues}
    assert found == {
        ("PN301", "event", "events"),
        ("PN301", "age.form", "age.from"),
        ("PN303", "provider", None),
        ("PN302", "events", None),
        ("PN304", "levels", None),
        ("PN303", "age.to", None),
        ("PN304", "sick_leave", None),
    }
