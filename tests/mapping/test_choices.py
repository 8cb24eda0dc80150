"""What is read out of an element that may be of several types keeps its type."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.mapping.conftest import to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.mapset import Map

HEAD = 'uses "http://hl7.org/fhir/StructureDefinition/Observation" alias Seen as source\n' + to("Observation")
SEEN = {
    "resourceType": "Observation",
    "valueQuantity": {"value": 2, "unit": "h"},
    "component": [
        {"valueString": "2020-01-01"},
        {
            "valueDateTime": "2020-01-01",
            "_valueDateTime": {"extension": [{"url": "urn:e", "valueCode": "c"}]},
        },
        {"valueCodeableConcept": {"text": "t"}},
        {"valuePeriod": {"start": "2020"}},
    ],
}
IN_COMPONENTS = 'src.component as c then { c.value as v then { %s } "v"; } "c";'

RULES: dict[str, tuple[str, Any]] = {
    "copied with what stands beside": (
        "src.component as c -> tgt.component as t then { c.value as v -> t.value = v; };",
        {"component": SEEN["component"]},
    ),
    "handed to a group": (
        'src.component as c -> tgt.component as t then { c.value as v then Put(v, t) "v"; };',
        {"component": SEEN["component"]},
    ),
    "filtered later": (IN_COMPONENTS % "v : string as s -> tgt.note as n, n.text = s;", {"note": [{"text": "2020-01-01"}]}),
    "of a type that is not the one": (IN_COMPONENTS % "v : Period as p then { p : Quantity -> tgt.status = 'final'; };", {}),
    "tested in a condition": ("src.component as c then { c.value as v where $this is dateTime -> tgt.effective = v; };",
        {"effectiveDateTime": "2020-01-01", "_effectiveDateTime": SEEN["component"][1]["_valueDateTime"]}),  # type: ignore[index]
    "tested in a condition by name": (IN_COMPONENTS % "src where v.ofType(CodeableConcept).exists() -> tgt.code = v;", {"code": {"text": "t"}}),
    "named as JSON names it": ("src.valueQuantity as q -> tgt.value = create('Quantity') as t then { q.unit as u -> t.unit = u; };",
        {"valueQuantity": {"unit": "h"}}),
    "mapped by the default group of its type": ("src.component as c -> tgt.component as t then { c.value -> t.value; };",
        {"component": [{"valueString": "2020-01-01!"}, SEEN["component"][1], {"valueString": "t"}, SEEN["component"][3]]}),  # type: ignore[index]
    "found by an expression": ("src.component as c -> tgt.component as t, t.value = (%c.value);", {"component": SEEN["component"]}),
    "found by an expression for a variable": ("src.component as c -> (%c.value.first()) as v, tgt.component as t, t.value = v;", {"component": SEEN["component"]}),
    "several found by an expression for a variable": ("src -> (%src.component.value.ofType(string).combine('y')) as all then { src -> tgt.note as n, n.text = (%all.select('!' & $this).first()); };",
        {"note": [{"text": "!2020-01-01"}]}),
    "a number of a kind made as one": ("src -> tgt.component as c, c.extension as e, e.value = create('positiveInt') as i, i.value = cast('4', 'string');",
        {"component": [{"extension": [{"valuePositiveInt": 4}]}]}),
    "a number made as one": ("src -> tgt.value = create('integer') as i, i.value = (1 + 2);", {"valueInteger": 3}),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "expected"), RULES.values(), ids=RULES)
def test_a_choice_keeps_its_type(one: Callable[..., Map], rules: str, expected: dict[str, Any]) -> None:
    """The type of a choice goes with the value: to where it is written, tested, filtered or handed on."""
    body = json.dumps(SEEN).encode()
    groups = (
        "group Put(source v, target t) { v -> t.value = v; }\n"
        "group Loud(source s : string, target t : string) <<type+>> { s.value as v -> t.value = append(v, '!'); }\n"
        "group Flat(source s : CodeableConcept, target t : string) <<type+>> { s.text as v -> t.value = v; }\n"
        "group Pair(source s : Quantity, target t : Range) <<types>> { s -> t.low = s; }"
    )
    found = one(f"{HEAD}group Main(source src : Seen, target tgt : Observation) {{\n{rules}\n}}\n{groups}\n")

    plain = found.run(body, media_type="application/fhir+json")
    traced = found.run(body, media_type="application/fhir+json", lineage=True)

    assert (plain.issues, plain.resources) == ([], [{"resourceType": "Observation", **expected}])
    assert (traced.issues, traced.resources) == ([], plain.resources)


def test_a_type_that_the_element_cannot_have_is_no_other(one: Callable[..., Map]) -> None:
    """What is of a known type is not written as the one it looks most like."""
    rules = "src.component as c then { c.value as v where $this is Period -> tgt.value = (%c.referenceRange.first()); };"
    body = json.dumps(
        {**SEEN, "component": [{"valuePeriod": {"start": "2020"}, "referenceRange": [{"text": "x"}]}]}
    ).encode()
    found = one(f"{HEAD}group Main(source src : Seen, target tgt : Observation) {{\n{rules}\n}}\n")

    outcome = found.run(body, media_type="application/fhir+json")

    assert [issue.code for issue in outcome.issues] == ["MP315"]
    assert outcome.resources == [{"resourceType": "Observation"}]
