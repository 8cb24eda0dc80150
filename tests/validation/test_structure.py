"""The core's rules: each broken once, each found at its place."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from adapter.validation import Validator

if TYPE_CHECKING:
    from adapter.outcome import Issue

PERSON: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "invented",
    "active": True,
    "name": [{"family": "Testinen", "given": ["Tero"]}],
    "gender": "male",
    "birthDate": "1990-01-31",
}
MEASURE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "an invented measure"},
    "valueQuantity": {"value": Decimal("1.50"), "unit": "kg"},
}

BROKEN = [
    ("unknown element", PERSON, {"nickname": "x"}, "VA101", "Patient.nickname"),
    ("a name that may be a value", PERSON, {"Tero 1": "x"}, "VA101", "Patient.?"),
    ("text for an object", PERSON, {"maritalStatus": "x"}, "VA102", "Patient.maritalStatus"),
    ("one for many", PERSON, {"name": {"family": "x"}}, "VA103", "Patient.name"),
    ("many for one", PERSON, {"gender": ["male"]}, "VA104", "Patient.gender"),
    ("empty array", PERSON, {"name": []}, "VA105", "Patient.name"),
    ("empty object", PERSON, {"name": [{}]}, "VA106", "Patient.name[0]"),
    ("null", PERSON, {"gender": None}, "VA107", "Patient.gender"),
    ("null in an array", PERSON, {"name": [{"given": [None]}]}, "VA107", "Patient.name[0].given[0]"),
    ("no such resource", PERSON, {"resourceType": "Person2"}, "VA109", "Resource"),
    ("required code", PERSON, {"gender": "mies"}, "VA401", "Patient.gender"),
    ("text for a boolean", PERSON, {"active": "true"}, "VA115", "Patient.active"),
    ("number for text", PERSON, {"birthDate": 1990}, "VA115", "Patient.birthDate"),
    ("form of a date", PERSON, {"birthDate": "31.1.1990"}, "VA116", "Patient.birthDate"),
    ("no such day", PERSON, {"birthDate": "1990-02-29"}, "VA118", "Patient.birthDate"),
    ("empty text", PERSON, {"language": ""}, "VA120", "Patient.language"),
    ("id too long", PERSON, {"id": "x" * 65}, "VA116", "Patient.id"),
    ("space in a uri", PERSON, {"implicitRules": "a b"}, "VA116", "Patient.implicitRules"),
    ("missing", MEASURE, {"status": ...}, "VA110", "Observation.status"),
    ("two values", MEASURE, {"valueString": "x"}, "VA112", "Observation.value"),
    ("a choice that is none", MEASURE, {"valueHumanName": {}}, "VA101", "Observation.valueHumanName"),
    ("number as text", MEASURE, {"valueQuantity": {"value": "1.5"}}, "VA115", "Observation.value.value"),
    (
        "extended beside fewer values",
        PERSON,
        {"name": [{"given": ["a"], "_given": [None, {"id": "x"}]}]},
        "VA122",
        "Patient.name[0].given",
    ),
    (
        "extended by nothing",
        PERSON,
        {"birthDate": ..., "_birthDate": {"id": "x"}},
        "VA106",
        "Patient.birthDate",
    ),
    ("value and reason", MEASURE, {"dataAbsentReason": {"text": "x"}}, "VA701", "Observation"),
    (
        "extension with both",
        PERSON,
        {
            "extension": [
                {"url": "urn:x:y", "valueString": "x", "extension": [{"url": "z", "valueCode": "z"}]}
            ]
        },
        "VA604",
        "Patient.extension[0]",
    ),
    ("wrong target", MEASURE, {"subject": {"reference": "Goal/1"}}, "VA501", "Observation.subject"),
    ("lost inside", MEASURE, {"subject": {"reference": "#p"}}, "VA503", "Observation.subject.reference"),
    (
        "unused inside",
        MEASURE,
        {"contained": [{"resourceType": "Patient", "id": "p"}]},
        "VA701",
        "Observation",
    ),
    (
        "deep inside",
        MEASURE,
        {
            "contained": [{"resourceType": "Patient", "id": "p", "gender": "x"}],
            "subject": {"reference": "#p"},
        },
        "VA401",
        "Observation.contained[0].gender",
    ),
    (
        "end before start",
        MEASURE,
        {"effectivePeriod": {"start": "2026-02-01", "end": "2026-01-01"}},
        "VA701",
        "Observation.effective",
    ),
    ("mime type", MEASURE, {"note": [{"text": 5}]}, "VA115", "Observation.note[0].text"),
]


def changed(resource: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return a copy with some elements replaced, or left out where the change says `...`."""
    copied = {**deepcopy(resource), **change}
    return {key: value for key, value in copied.items() if value is not ...}


def places(issues: list[Issue]) -> set[tuple[str, str | None]]:
    """Return code and place of each issue."""
    return {(issue.code, issue.at) for issue in issues}


@pytest.mark.parametrize("resource", [PERSON, MEASURE], ids=["person", "measure"])
def test_what_is_right_gives_no_finding(validator: Validator, resource: dict[str, Any]) -> None:
    """A resource that breaks no rule gives an empty list."""
    assert validator.validate(resource) == []


@pytest.mark.parametrize(
    ("resource", "change", "code", "at"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_each_rule_is_found_where_it_is_broken(
    validator: Validator, resource: dict[str, Any], change: dict[str, Any], code: str, at: str
) -> None:
    """One broken rule gives its code at its FHIRPath."""
    assert (code, at) in places(validator.validate(changed(resource, change)))


def test_all_faults_are_found_at_once(validator: Validator) -> None:
    """Nine faults give nine findings, not the first."""
    faulty = changed(PERSON, {"gender": "x", "birthDate": "x", "active": "x", "nickname": "x"})

    assert len(validator.validate(faulty)) == 4


def test_no_finding_holds_a_value(validator: Validator) -> None:
    """Whatever is wrong, texts and parameters say nothing of what the record says."""
    canary = "010190-999X"
    faulty = changed(PERSON, {"gender": canary, "birthDate": canary, canary: canary, "name": canary})

    issues = validator.validate(faulty)

    assert canary not in "".join(f"{issue} {issue.text()} {issue.help('fi')}" for issue in issues)


@pytest.mark.parametrize("thing", [None, [], "x", 1, {}, {"resourceType": 1}, {"resourceType": []}])
def test_what_is_no_resource_is_a_finding(validator: Validator, thing: object) -> None:
    """Anything at all can be asked about; what is no resource is an error, not an exception."""
    assert any(issue.is_error for issue in validator.validate(thing))


def test_what_is_nested_without_end_is_said(validator: Validator) -> None:
    """A resource deeper than we can follow is one fatal finding."""
    item: dict[str, Any] = {"linkId": "x", "type": "group"}
    for _ in range(5000):
        item = {"linkId": "x", "type": "group", "item": [item]}

    found = validator.validate({"resourceType": "Questionnaire", "status": "draft", "item": [item]})

    assert [issue.code for issue in found] == ["VA123"]


def test_structure_alone_leaves_the_rest_unasked() -> None:
    """The structure scope says nothing of invariants and references."""
    faulty = changed(MEASURE, {"subject": {"reference": "Goal/1"}, "dataAbsentReason": {"text": "x"}})

    assert Validator(scope="structure").validate(faulty) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"birthdate": "1990-01-31"}, "(birthDate?)"),
        ({"gender": "mies"}, ": female, male, other, unknown."),
        ({"birthDate": "31.1.1990"}, "2026, 2026-01, 2026-01-31"),
        ({"multipleBirthinteger": 2}, "(multipleBirthInteger?)"),
    ],
)
def test_a_finding_says_what_would_be_right(change: dict[str, Any], words: str) -> None:
    """The nearest name, the few codes there are, or what the form looks like."""
    (issue,) = Validator().validate(changed(PERSON, change))

    assert words in issue.text() + issue.help()


def test_a_birth_date_that_is_none_contradicts_no_code(validator: Validator) -> None:
    """A malformed date is malformed, and not somebody else's too."""
    code = {"system": "urn:oid:1.2.246.21", "value": "010190-999W"}
    resource = changed(PERSON, {"birthDate": "1990-13-01", "identifier": [code]})

    assert [issue.code for issue in validator.validate(resource)] == ["VA116"]
