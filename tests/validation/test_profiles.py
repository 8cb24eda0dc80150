"""A profile's rules: each broken once over a differential written here."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation import Loose, Validator
from tests.validation.test_structure import changed, places

BASE = "https://silta.example/fhir/test"
PROFILE = f"{BASE}/StructureDefinition/visit"
DERIVED = f"{BASE}/StructureDefinition/derived-visit"
CODES = f"{BASE}/CodeSystem/colours"
COLOURS = f"{BASE}/ValueSet/colours"
MARK = f"{BASE}/StructureDefinition/mark"


def element(path: str, **rule: Any) -> dict[str, Any]:
    """Return an ElementDefinition of a differential."""
    name = rule.get("sliceName")
    return {"id": f"{path}:{name}" if name else path, "path": path, **rule}


def definition(url: str, type_name: str, base: str, *elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a StructureDefinition that has only a differential."""
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "kind": "resource",
        "type": type_name,
        "baseDefinition": base,
        "derivation": "constraint",
        "differential": {"element": [element(type_name), *elements]},
        **more,
    }


DEFINITIONS = [
    definition(
        PROFILE,
        "Observation",
        "http://hl7.org/fhir/StructureDefinition/Observation",
        element(
            "Observation.extension",
            slicing={"discriminator": [{"type": "value", "path": "url"}], "rules": "open"},
        ),
        element(
            "Observation.extension",
            sliceName="mark",
            max="1",
            type=[{"code": "Extension", "profile": [MARK]}],
        ),
        element("Observation.identifier", min=1, max="2"),
        element("Observation.status", fixedCode="final"),
        element(
            "Observation.category",
            slicing={
                "discriminator": [{"type": "pattern", "path": "$this"}],
                "rules": "closed",
                "ordered": True,
            },
        ),
        element(
            "Observation.category",
            sliceName="first",
            min=1,
            max="1",
            patternCodeableConcept={"coding": [{"system": CODES, "code": "red"}]},
        ),
        element(
            "Observation.category",
            sliceName="second",
            patternCodeableConcept={"coding": [{"system": CODES, "code": "blue"}]},
        ),
        element("Observation.code", binding={"strength": "required", "valueSet": COLOURS}),
        element("Observation.code.text", maxLength=5),
        element(
            "Observation.subject",
            type=[
                {"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}
            ],
        ),
        element("Observation.bodySite", max="0"),
        element("Observation.value[x]", type=[{"code": "Quantity"}, {"code": "string"}]),
        element(
            "Observation.valueQuantity",
            maxValueQuantity={"value": 10, "system": "http://unitsofmeasure.org", "code": "kg"},
        ),
        element(
            "Observation.method",
            constraint=[
                {"key": "t-1", "severity": "error", "human": "has text", "expression": "text.exists()"}
            ],
        ),
        element(
            "Observation.component",
            slicing={"discriminator": [{"type": "value", "path": "code.coding.code"}], "rules": "open"},
        ),
        element("Observation.component", sliceName="weight", max="1"),
        element(
            "Observation.component.code",
            id="Observation.component:weight.code",
            patternCodeableConcept={"coding": [{"code": "w"}]},
        ),
        element(
            "Observation.component.value[x]",
            id="Observation.component:weight.value[x]",
            min=1,
            type=[{"code": "Quantity"}],
        ),
    ),
    definition(
        DERIVED,
        "Observation",
        PROFILE,
        element("Observation.identifier", max="1"),
        element("Observation.category", sliceName="second", min=1),
    ),
    definition(
        MARK,
        "Extension",
        "http://hl7.org/fhir/StructureDefinition/Extension",
        element("Extension.url", fixedUri=MARK),
        element("Extension.value[x]", min=1, type=[{"code": "code"}]),
        context=[{"type": "element", "expression": "Observation"}],
    ),
    {
        "resourceType": "CodeSystem",
        "url": CODES,
        "content": "complete",
        "concept": [{"code": "warm", "concept": [{"code": "red"}]}, {"code": "blue"}],
    },
    {
        "resourceType": "ValueSet",
        "url": COLOURS,
        "compose": {
            "include": [{"system": CODES, "filter": [{"property": "concept", "op": "is-a", "value": "warm"}]}]
        },
    },
]

VISIT: dict[str, Any] = {
    "resourceType": "Observation",
    "meta": {"profile": [PROFILE]},
    "identifier": [{"value": "1"}],
    "status": "final",
    "category": [{"coding": [{"system": CODES, "code": "red"}]}],
    "code": {"coding": [{"system": CODES, "code": "red"}]},
}
WEIGHT = {"code": {"coding": [{"code": "w"}]}, "valueQuantity": {"value": 1}}

BROKEN = [
    ("too few", {"identifier": ...}, "VA201", "Observation.identifier"),
    ("too many", {"identifier": [{"value": v} for v in "123"]}, "VA203", "Observation.identifier[2]"),
    ("fixed", {"status": "amended"}, "VA207", "Observation.status"),
    ("prohibited", {"bodySite": {"text": "x"}}, "VA209", "Observation.bodySite"),
    ("type", {"valueBoolean": True}, "VA206", "Observation.value"),
    ("slice missing", {"category": ...}, "VA302", "Observation.category"),
    (
        "slice twice",
        {"category": [*VISIT["category"], *VISIT["category"]]},
        "VA303",
        "Observation.category[1]",
    ),
    ("no slice", {"category": [*VISIT["category"], {"text": "x"}]}, "VA301", "Observation.category[1]"),
    (
        "slices out of order",
        {"category": [{"coding": [{"system": CODES, "code": "blue"}]}, *VISIT["category"]]},
        "VA304",
        "Observation.category[1]",
    ),
    (
        "outside the set",
        {"code": {"coding": [{"system": CODES, "code": "blue"}]}},
        "VA401",
        "Observation.code",
    ),
    ("no code", {"code": {"text": "red"}}, "VA405", "Observation.code"),
    (
        "too long",
        {"code": {**VISIT["code"], "text": "reddish"}},
        "VA215",
        "Observation.code.text",
    ),
    ("target", {"subject": {"reference": "Group/1"}}, "VA501", "Observation.subject"),
    (
        "above the limit",
        {"valueQuantity": {"value": 11000, "system": "http://unitsofmeasure.org", "code": "g"}},
        "VA214",
        "Observation.value",
    ),
    ("invariant", {"method": {"coding": [{"code": "x"}]}}, "VA701", "Observation.method"),
    ("component twice", {"component": [WEIGHT, WEIGHT]}, "VA303", "Observation.component[1]"),
    (
        "within a slice",
        {"component": [{"code": WEIGHT["code"]}]},
        "VA201",
        "Observation.component[0].value",
    ),
    (
        "type within a slice",
        {"component": [{"code": WEIGHT["code"], "valueString": "x"}]},
        "VA206",
        "Observation.component[0].value",
    ),
    (
        "extension's type",
        {"extension": [{"url": MARK, "valueString": "x"}]},
        "VA206",
        "Observation.extension[0].value",
    ),
    (
        "extension's place",
        {"code": {**VISIT["code"], "extension": [{"url": MARK, "valueCode": "x"}]}},
        "VA603",
        "Observation.code.extension[0]",
    ),
    (
        "extension as modifier",
        {"modifierExtension": [{"url": MARK, "valueCode": "x"}]},
        "VA606",
        "Observation.modifierExtension[0]",
    ),
    (
        "unknown modifier",
        {"modifierExtension": [{"url": "urn:x:y", "valueCode": "x"}]},
        "VA602",
        "Observation.modifierExtension[0]",
    ),
    ("unknown profile", {"meta": {"profile": ["urn:x:y"]}}, "VA202", "Observation"),
]


@pytest.fixture(scope="module")
def visits() -> Validator:
    """R4 and the definitions of this file."""
    return Validator([Loose(DEFINITIONS)])


@pytest.mark.parametrize(
    "extra", [{}, {"component": [WEIGHT, {"code": {"text": "other"}}]}, {"valueString": "x"}]
)
def test_what_conforms_gives_no_finding(visits: Validator, extra: dict[str, Any]) -> None:
    """A resource that meets the profile gives an empty list."""
    assert visits.validate(changed(VISIT, extra)) == []


@pytest.mark.parametrize(
    ("change", "code", "at"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_each_rule_of_a_profile_is_found(
    visits: Validator, change: dict[str, Any], code: str, at: str
) -> None:
    """One broken rule of the profile gives its code at its place."""
    assert (code, at) in places(visits.validate(changed(VISIT, change)))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, "VA302"),
        ({"identifier": [{"value": "1"}, {"value": "2"}]}, "VA203"),
        ({"status": "amended"}, "VA207"),
    ],
    ids=["own slice", "narrowed", "inherited"],
)
def test_a_derived_profile_adds_to_its_base(visits: Validator, change: dict[str, Any], code: str) -> None:
    """A profile of a profile asks what both ask."""
    issues = visits.validate(changed(VISIT, {"meta": {"profile": [DERIVED]}, **change}))

    assert code in {issue.code for issue in issues}


def test_a_snapshot_says_what_its_differential_says(visits: Validator) -> None:
    """A profile given as snapshot finds the same as the differential it stands for."""
    whole = {**DEFINITIONS[0], "snapshot": {"element": visits.snapshot(PROFILE)}}
    other = Validator([Loose([whole, *DEFINITIONS[1:]])])

    found = [places(one.validate(changed(VISIT, row[1]))) for row in BROKEN for one in (visits, other)]

    assert found[::2] == found[1::2]


def test_a_snapshot_names_every_element_once(visits: Validator) -> None:
    """Element ids are distinct, each path begins at the type, each has cardinality and base."""
    elements = visits.snapshot(DERIVED) or []

    assert len({one["id"] for one in elements}) == len(elements)
    assert all(
        one["path"].split(".")[0] == "Observation" and {"min", "max", "base"} <= one.keys()
        for one in elements
    )


def test_a_stray_item_is_told_its_nearest_slice(visits: Validator) -> None:
    """A finding on a closed list names the slice that was nearest and what it lacked."""
    issues = visits.validate(changed(VISIT, {"category": [*VISIT["category"], {"text": "x"}]}))

    assert {issue.params.get("slice") for issue in issues} == {"first"}


@pytest.mark.parametrize(
    ("base", "fault"),
    [(f"{BASE}/StructureDefinition/none", "VA204"), (PROFILE, "VA205")],
    ids=["no base", "its own base"],
)
def test_a_profile_that_cannot_be_used_is_said(base: str, fault: str) -> None:
    """A broken profile is a finding that names its fault, not an exception."""
    broken = definition(PROFILE, "Observation", base, element("Observation.status", fixedCode="final"))

    issues = Validator([Loose([broken])]).validate(VISIT)

    assert [(issue.code, issue.params["fault"]) for issue in issues] == [("VA219", fault)]


def test_a_definition_that_is_no_definition_is_said() -> None:
    """A profile with nonsense in it is a finding, each time it is asked for."""
    nonsense = definition(
        PROFILE,
        "Observation",
        "http://hl7.org/fhir/StructureDefinition/Observation",
        element("Observation.status", max="many"),
    )
    validator = Validator([Loose([nonsense])])

    found = [{issue.code for issue in validator.validate(VISIT)} for _ in range(2)]

    assert found == [{"VA219"}, {"VA219"}]


def test_an_unreadable_invariant_is_said() -> None:
    """A rule whose FHIRPath is wrong is reported, never passed."""
    rule = {"key": "t-2", "severity": "error", "human": "x", "expression": "status ==="}
    profile = definition(
        PROFILE,
        "Observation",
        "http://hl7.org/fhir/StructureDefinition/Observation",
        element("Observation.status", constraint=[rule]),
    )

    issues = Validator([Loose([profile])]).validate(VISIT)

    assert {(issue.code, issue.severity) for issue in issues} == {("VA703", "information")}
