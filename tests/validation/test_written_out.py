"""Invariants written out in Python say what their FHIRPath says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import AdapterError
from adapter.fhir.types import r4
from adapter.fhirpath import compile_expression
from adapter.validation.visit import Session, Visit
from adapter.validation.written_out import NEEDED, WRITTEN_OUT
from tests.validation.test_corpus import examples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSIDE = {"resourceType": "Patient", "id": "a"}
OBSERVED = {"resourceType": "Observation", "code": {"coding": [{"system": "urn:s", "code": "a"}]}}
CASES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "contained": [INSIDE], "managingOrganization": {"reference": "#a"}},
    {"resourceType": "Patient", "contained": [INSIDE]},
    {"resourceType": "Patient", "contained": [{**INSIDE, "managingOrganization": {"reference": "#"}}]},
    {"resourceType": "Patient", "contained": [{**INSIDE, "contained": [INSIDE]}]},
    {"resourceType": "Patient", "contained": [{**INSIDE, "meta": {"versionId": "1"}}]},
    {"resourceType": "Patient", "contained": [{**INSIDE, "meta": {"security": [{"code": "x"}]}}]},
    {"resourceType": "Patient", "managingOrganization": {"reference": "#b"}, "contained": [INSIDE]},
    {"resourceType": "Patient", "telecom": [{"value": "1"}, {"value": "1", "system": "phone"}]},
    {"resourceType": "Patient", "photo": [{"data": "AA=="}, {"data": "AA==", "contentType": "image/png"}]},
    {
        "resourceType": "Observation",
        "valueQuantity": {"code": "kg"},
        "dataAbsentReason": {"text": "x"},
        "effectivePeriod": {"start": "2026-02-01", "end": "2026-01-01"},
    },
    {
        "resourceType": "Observation",
        "effectivePeriod": {"start": "2026-01-01T10:00:00+02:00", "end": "2026-01-01T09:00:00Z"},
    },
    {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:x"}, {"fullUrl": "http://x/Patient/1/_history/1"}]},
    *(
        {"resourceType": "Bundle", "type": kind, "entry": [{"fullUrl": "urn:x", **entry}, *more]}
        for kind in ("batch", "batch-response", "document", "history", "message", "searchset")
        for entry in (
            {},
            {"request": {}},
            {"response": {}},
            {"search": {"mode": "match"}},
            {"resource": INSIDE},
        )
        for more in ([], [{"fullUrl": "urn:x"}], [{"fullUrl": "urn:y"}])
    ),
    {"resourceType": "Bundle", "type": "document"},
    {"resourceType": "Bundle", "type": "document", "timestamp": "2026-01-01T10:00:00Z"},
    {"resourceType": "Bundle", "type": "document", "identifier": {"system": "urn:x"}},
    {"resourceType": "Bundle", "type": "document", "identifier": {"system": "urn:x", "value": "1"}},
    {"resourceType": "Bundle", "type": "message", "entry": [{"resource": {"resourceType": "MessageHeader"}}]},
    {"resourceType": "Organization", "name": "x"},
    {"resourceType": "Organization", "identifier": [{"value": "1"}]},
    {"resourceType": "Organization", "active": True},
    {"resourceType": "CarePlan", "activity": [{"detail": {}, "reference": {}}, {"detail": {}}]},
    *(
        {**OBSERVED, **given, "component": [{"code": {"coding": [coding]}}]}
        for given in ({}, {"valueString": "x"})
        for coding in ({"system": "urn:s", "code": "a"}, {"system": "urn:s", "code": "b"})
    ),
]


def elements(value: Any, kind: str) -> Iterator[tuple[str, Any]]:
    """Yield type and value of a resource and everything complex below it."""
    yield kind, value
    for key, inner in value.items():
        pair = r4().property(kind, key)
        for one in inner if isinstance(inner, list) else [inner]:
            if pair is not None and isinstance(one, dict) and pair[1] not in ("Resource",):
                yield from elements(one, pair[1])


def disagreements(resource: dict[str, Any]) -> list[str]:
    """Return the keys of invariants that the two say differently somewhere in a resource."""
    visit = Visit(resource, Session())
    found = []
    for kind, value in elements(resource, resource["resourceType"]):
        definition = r4().type(kind)
        for stated in definition.constraints if definition is not None else ():
            ours = WRITTEN_OUT.get(stated.expression)
            if ours is None:
                continue
            said = ours(value, visit)
            try:
                theirs = compile_expression(stated.expression, context=kind).holds(value, visit.environment)
            except AdapterError:
                continue
            if said != theirs:
                found.append(f"{stated.key} of {kind}: ours {said}, FHIRPath {theirs}")
    return found


@pytest.mark.parametrize("resource", CASES, ids=[str(number) for number in range(len(CASES))])
def test_they_agree_on_cases_made_to_part_them(resource: dict[str, Any]) -> None:
    """Content that breaks each rule, and content that just keeps it, is told apart alike."""
    assert disagreements(json.loads(json.dumps(resource))) == []


@pytest.mark.corpus
def test_they_agree_on_every_official_example(corpus: Path) -> None:
    """Over all examples there is no element on which the two differ."""
    found = [
        f"{name}: {said}"
        for name, resource in examples(corpus / "fhir-r4-examples")
        if resource["resourceType"] != "Bundle"
        for said in disagreements(resource)
    ]

    assert found == []


def test_every_rule_written_out_stands_in_the_core() -> None:
    """No text here has drifted from the standard's."""
    stated = {one.expression for one in r4().invariants()}

    assert {*WRITTEN_OUT, *NEEDED} <= stated
