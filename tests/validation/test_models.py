"""Logical models: instances that are no resources, held against their definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir.canonical import BASE
from adapter.validation import Loose, Validator
from tests.validation.test_structure import changed

EVENT = BASE + "/StructureDefinition/hospital-event"
EVENTS = [
    path
    for path in sorted((Path(__file__).parents[2] / "fixtures" / "notification").glob("*.json"))
    if not path.name.endswith(".fhir.json")
]
MODEL = "https://silta.example/fhir/test/StructureDefinition/visit-record"


def element(path: str, *codes: str, **rule: Any) -> dict[str, Any]:
    """Return an ElementDefinition of the model."""
    kinds = {"type": [{"code": code} for code in codes]} if codes else {}
    return {"id": path, "path": path, "min": 0, "max": "1", **kinds, **rule}


DEFINITION = {
    "resourceType": "StructureDefinition",
    "url": MODEL,
    "kind": "logical",
    "type": MODEL,
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Element",
    "derivation": "specialization",
    "differential": {
        "element": [
            element(
                "visit-record",
                constraint=[
                    {
                        "key": "v-1",
                        "severity": "error",
                        "human": "h",
                        "expression": "reason.exists() or part.exists()",
                    }
                ],
            ),
            element("visit-record.reason", "CodeableConcept"),
            element("visit-record.when[x]", "date", "Period", min=1),
            element("visit-record.sort", "code", fixedCode="visit"),
            element("visit-record.part", "BackboneElement", max="*"),
            element("visit-record.part.number", "positiveInt", min=1),
            element("visit-record.part.part", max="*", contentReference="#visit-record.part"),
            element("visit-record.part.name", "string", maxLength=5),
        ]
    },
}
RIGHT: dict[str, Any] = {
    "reason": {"text": "x"},
    "whenDate": "2026-01-31",
    "sort": "visit",
    "part": [{"number": 1, "part": [{"number": 2, "name": "x"}]}],
}
CASES = [
    ("right", {}, []),
    ("one for several", {"part": {"number": 1}}, []),
    ("a list of none", {"part": []}, []),
    ("several for one", {"sort": ["visit"]}, ["VA104 visit-record.sort"]),
    ("unknown", {"nick": "x"}, ["VA101 visit-record.nick"]),
    ("missing", {"whenDate": ...}, ["VA110 visit-record.when"]),
    ("both of a choice", {"whenPeriod": {"start": "2026"}}, ["VA112 visit-record.when"]),
    ("inside a data type", {"reason": {"txt": "x"}}, ["VA101 visit-record.reason.txt"]),
    ("form of a primitive", {"whenDate": "31.1."}, ["VA116 visit-record.when"]),
    ("fixed", {"sort": "call"}, ["VA207 visit-record.sort"]),
    ("missing in a part", {"part": [{"name": "x"}]}, ["VA110 visit-record.part[0].number"]),
    ("empty in a part", {"part": [{"number": 1, "part": [{}]}]}, ["VA106 visit-record.part[0].part[0]"]),
    ("too long", {"part": [{"number": 1, "name": "Meyerson"}]}, ["VA215 visit-record.part[0].name"]),
    ("invariant", {"reason": ..., "part": ...}, ["VA701 visit-record"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Validator:
    """A validator with the model of this file."""
    return Validator([Loose([DEFINITION])])


@pytest.mark.parametrize(("change", "found"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_a_rule_of_a_model_is_found_where_it_is_broken(
    model: Validator, change: dict[str, Any], found: list[str]
) -> None:
    """Structure, choices, values and invariants of a model hold as those of a profile do."""
    said = [f"{issue.code} {issue.at}" for issue in model.validate(changed(RIGHT, change), MODEL)]

    assert sorted(said) == sorted(found)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_our_events_hold_to_their_model(validator: Validator, path: Path) -> None:
    """What the fixtures post as JSON is an instance of the logical model that is shipped."""
    assert validator.validate(json.loads(path.read_text("utf-8")), EVENT) == []


def test_a_model_that_cannot_be_read_is_said() -> None:
    """A definition without paths is the model's fault, named as such."""
    broken = {**DEFINITION, "differential": {"element": []}, "baseDefinition": "urn:x:none"}

    found = [issue.code for issue in Validator([Loose([broken])]).validate(RIGHT, MODEL)]

    assert found == ["VA219"]
