"""The language, section by section: what an expression gives, on an invented patient or on nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import AdapterError
from adapter.fhir.decimals import ExactDecimal
from adapter.fhirpath import compile_expression

NOON = datetime(2026, 3, 2, 12, 0, 0, tzinfo=UTC)

# Invented people.
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "malli",
    "active": True,
    "name": [
        {"use": "official", "family": "Esimerkki", "given": ["Aino", "Maria"]},
        {"use": "nickname", "given": ["Ansu"]},
        {"use": "old", "family": "Malli", "given": ["Aino"], "period": {"end": "2002"}},
    ],
    "telecom": [{"system": "phone", "rank": 2}, {"system": "email", "rank": 1}],
    "gender": "female",
    "birthDate": "1974-12-25",
    "_birthDate": {
        "id": "b",
        "extension": [{"url": "http://example.org/time", "valueDateTime": "1974-12-25T14:35:45-05:00"}],
    },
    "deceasedBoolean": False,
    "multipleBirthInteger": 2,
    "contact": [{"name": {"_family": {"extension": [{"url": "http://example.org/x", "valueCode": "a"}]}}}],
    "managingOrganization": {"reference": "#o"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Laitos"}],
}
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "valueQuantity": {
        "value": ExactDecimal("80.50"),
        "unit": "kg",
        "system": "http://unitsofmeasure.org",
        "code": "kg",
    },
    "effectiveDateTime": "2016-03",
    "extension": [
        {
            "url": "http://example.org/age",
            "valueAge": {"value": 3, "system": "http://unitsofmeasure.org", "code": "a"},
        }
    ],
}


def found(expression: str, resource: dict[str, Any] = PATIENT) -> list[Any]:
    """The results, decimals as their text."""
    results = compile_expression(expression)(resource, now=NOON)
    return [str(one) if isinstance(one, ExactDecimal) else one for one in results]


def _sections() -> dict[str, list[str]]:
    """The list of true statements, by the section of the standard they stand under."""
    sections: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "language.txt").read_text("utf-8").splitlines():
        if line.startswith("## "):
            statements = sections[line[3:]] = []
        elif line and not line.startswith("#"):
            statements.append(line)
    return sections


def _results(expression: str) -> list[Any] | str:
    try:
        return found(expression)
    except AdapterError as fault:
        return fault.code


SECTIONS = _sections()


@pytest.mark.parametrize("section", SECTIONS)
def test_the_standard_says_so(section: str) -> None:
    """Each expression of a section states something true of FHIRPath, or of the patient."""
    answers = {statement: _results(statement) for statement in SECTIONS[section]}

    # As text, because 1 equals True.
    assert {statement: answer for statement, answer in answers.items() if str(answer) != "[True]"} == {}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value", [OBSERVATION["valueQuantity"]]),
        ("value.value", ["80.50"]),
        ("value.value.toString()", ["80.50"]),
        ("-value.value", ["-80.50"]),
        ("value as Quantity", [OBSERVATION["valueQuantity"]]),
        ("value.ofType(Quantity).unit", ["kg"]),
        ("value.ofType(string)", []),
        ("value > 80 'kg'", [True]),
        ("value = 80500 'g'", [True]),
        ("value ~ 80.5 'kg'", [True]),
        ("effective", ["2016-03"]),
        ("effective is dateTime", [True]),
        ("effective < @2016-04", [True]),
        ("effective < @2016-03-02", []),
        ("extension.value is Age", [True]),
        ("extension.value is Quantity", [True]),
        ("extension.value is Duration", [False]),
        ("children().ofType(FHIR.Quantity).unit", ["kg"]),
        ("descendants().ofType(Age).code", ["a"]),
        ("extension('http://example.org/age').value = 3 years", [True]),
        ("code.coding.where(system = %loinc).code", ["29463-7"]),
        ("1.587.lowBoundary(6)", ["1.586500"]),
        (
            "1 'mg' + 1 'mg'",
            [{"value": 2, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}],
        ),
        ("@2012-01-01 + 1 day", ["2012-01-02"]),
        ("1.type()", [{"namespace": "System", "name": "Integer"}]),
        ("(1 | 'a' | true | @T10)", [1, "a", True, "10"]),
    ],
)
def test_results_are_fhir_json(expression: str, expected: list[Any]) -> None:
    """What comes out is what stands in the resource, or the JSON of a computed value."""
    assert [
        {**one, "value": int(one["value"])} if isinstance(one, dict) and one.get("code") == "mg" else one
        for one in found(expression, OBSERVATION)
    ] == expected


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("name.single()", "FP301"),
        ("name.given.length()", "FP301"),
        ("iif(name.given, 1, 2)", "FP301"),
        ("(1 | 2) + 1", "FP301"),
        ("name.as(HumanName)", "FP301"),
        ("(1 | 2 | 3) & 'a'", "FP301"),
        ("1 > 'a'", "FP302"),
        ("1 > true", "FP302"),
        ("@2012 < @T12", "FP302"),
        ("'a' - 'b'", "FP302"),
        ("@2012-01-01 + 7", "FP302"),
        ("-'a'", "FP303"),
        ("-true.not()", "FP303"),
        ("1.length()", "FP303"),
        ("'a'.abs()", "FP303"),
        ("(true | 'a').allTrue()", "FP303"),
        ("@2012-01-01 + 1 'mo'", "FP304"),
        ("@2012-01-01 + 1 'a'", "FP304"),
        ("@2012-01-01 + 1 'cm'", "FP304"),
        ("gender.memberOf('http://x')", "FP305"),
        ("conformsTo('http://x')", "FP305"),
        ("gender.matches('(?=a)')", "FP308"),
        ("1.5.round(-1)", "FP309"),
        ("(1 | 'a').sort()", "FP311"),
    ],
)
def test_what_has_no_meaning_is_an_error_of_the_run(expression: str, code: str) -> None:
    """FHIRPath signals an error where an operation cannot be done, and so do we, by its code."""
    run = compile_expression(expression)

    with pytest.raises(AdapterError) as fault:
        run(PATIENT)

    assert fault.value.code == code
