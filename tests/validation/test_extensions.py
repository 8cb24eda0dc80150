"""Extensions: where their definitions let them stand, and what becomes of those nobody here defines."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.validation import Loose, Validator

URL = "https://silta.example/fhir/test/StructureDefinition/remark"
MARK = {"url": URL, "valueString": "x"}
UNKNOWN = {"url": "https://partner.test/extension", "valueCode": "x"}
HOME: dict[str, Any] = {"system": "phone", "use": "home"}


def remark(*contexts: tuple[str, str], **more: Any) -> Validator:
    """Return a validator that knows one extension, with these contexts."""
    definition = {
        "resourceType": "StructureDefinition",
        "url": URL,
        "kind": "complex-type",
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "context": [{"type": kind, "expression": text} for kind, text in contexts],
        "differential": {"element": [{"path": "Extension"}]},
        **more,
    }
    return Validator([Loose([definition])])


def person(**elements: Any) -> dict[str, Any]:
    """Return a Patient."""
    return {"resourceType": "Patient", **elements}


def errors(validator: Validator, resource: dict[str, Any]) -> list[str]:
    """Return the codes of the errors."""
    return [issue.code for issue in validator.validate(resource) if issue.is_error]


AT_HOME = person(telecom=[{**HOME, "extension": [MARK]}])
AT_WORK = person(telecom=[HOME, {**HOME, "use": "work", "extension": [MARK]}])
ON_A_DAY = person(birthDate="1990-01-31", _birthDate={"extension": [MARK]})
IN_A_CHOICE = person(multipleBirthBoolean=True, _multipleBirthBoolean={"extension": [MARK]})
IN_A_VALUE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "valueQuantity": {"value": 1, "extension": [MARK]},
}

PLACED = [
    ("the type of the element", ("element", "ContactPoint"), AT_HOME, []),
    ("the resource alone", ("element", "Patient"), AT_HOME, ["VA603"]),
    ("the path", ("element", "Patient.telecom"), AT_HOME, []),
    ("a primitive", ("element", "Patient.birthDate"), ON_A_DAY, []),
    ("the type of a primitive", ("element", "date"), ON_A_DAY, []),
    ("a choice by its stem", ("element", "Patient.multipleBirth"), IN_A_CHOICE, []),
    ("a choice with its brackets", ("element", "Observation.value[x]"), IN_A_VALUE, []),
    ("the chosen type", ("element", "Quantity"), IN_A_VALUE, []),
    ("another chosen type", ("element", "string"), IN_A_VALUE, ["VA603"]),
    ("what FHIRPath selects", ("fhirpath", "Patient.telecom.where(use = 'home')"), AT_HOME, []),
    ("what FHIRPath leaves", ("fhirpath", "Patient.telecom.where(use = 'home')"), AT_WORK, ["VA603"]),
    ("FHIRPath of a primitive", ("fhirpath", "Patient.birthDate"), ON_A_DAY, []),
    ("FHIRPath that is true of the holder", ("fhirpath", "use = 'work'"), AT_WORK, []),
    ("FHIRPath that is false of the holder", ("fhirpath", "use = 'work'"), AT_HOME, ["VA603"]),
    ("FHIRPath nobody can read", ("fhirpath", "???"), AT_HOME, []),
    ("every element", ("element", "Element"), AT_HOME, []),
]


@pytest.mark.parametrize(
    ("context", "resource", "found"), [row[1:] for row in PLACED], ids=[row[0] for row in PLACED]
)
def test_an_extension_stands_where_its_context_lets_it(
    context: tuple[str, str], resource: dict[str, Any], found: list[str]
) -> None:
    """A context of each kind allows the elements it means, and no others."""
    assert errors(remark(context), resource) == found


@pytest.mark.parametrize(("resource", "found"), [(AT_HOME, []), (AT_WORK, ["VA609"])], ids=["met", "unmet"])
def test_a_condition_on_the_holder_must_be_met(resource: dict[str, Any], found: list[str]) -> None:
    """A contextInvariant is asked of the element that holds the extension."""
    invariant = "use = 'home' and %extension.value = 'x'"

    assert errors(remark(("element", "ContactPoint"), contextInvariant=[invariant]), resource) == found


CLAIMING = {"meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}}


@pytest.mark.parametrize(
    ("settings", "claims", "is_refused"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"tolerate": ["unknown-extensions"]}, True, False),
        ({"refuse": ["unknown-extensions"]}, False, True),
    ],
)
def test_an_unknown_extension_is_as_grave_as_the_resource_claims(
    settings: Any, claims: bool, is_refused: bool
) -> None:
    """Unless it is settled for all, whoever claims a profile says that all in the resource is defined."""
    resource = person(extension=[UNKNOWN], **(CLAIMING if claims else {}))

    assert errors(Validator(**settings), resource) == (["VA601"] if is_refused else [])
