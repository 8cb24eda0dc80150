"""FHIR as a source: what stands beside a primitive goes with it, or is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.mapping.conftest import to

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.map import Map

PATIENT = 'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Source as source\n'
ABSENT = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
SOURCE: dict[str, Any] = {
    "resourceType": "Patient",
    "birthDate": "1990-01-01",
    "_birthDate": {"id": "b", "extension": [{"url": "urn:x", "valueString": "about nine"}]},
    "_gender": {"extension": ABSENT},
    "deceasedBoolean": False,
    "_deceasedBoolean": {"id": "d"},
    "name": [{"given": ["Testi", "Anna"], "_given": [None, {"id": "g"}], "_family": {"extension": ABSENT}}],
}
"""An invented person."""
WAYS = {
    "simple": "src.birthDate -> tgt.birthDate;",
    "variable": "src.birthDate as b -> tgt.birthDate = b;",
    "copy": "src.birthDate as b -> tgt.birthDate = copy(b);",
    "condition": "src.birthDate as b where ($this.exists()) -> tgt.birthDate = b;",
    "first": "src.birthDate first as b -> tgt.birthDate = b;",
}


def mapped(one: Callable[..., Map], rules: str) -> Any:
    """Run rules from Patient to Patient with lineage."""
    text = f"{PATIENT}{to('Patient')}group G(source src : Source, target tgt : Patient) {{ {rules} }}"
    return one(text).run(json.dumps(SOURCE).encode(), media_type="application/fhir+json", lineage=True)


@pytest.mark.parametrize("way", WAYS)
def test_a_copied_primitive_takes_along_what_stands_beside_it(way: str, one: Callable[..., Map]) -> None:
    """Id and extensions of a primitive are copied with it, however the copy is written."""
    outcome = mapped(one, WAYS[way])

    assert outcome.resources[0]["_birthDate"] == SOURCE["_birthDate"]
    assert outcome.resources[0]["birthDate"] == SOURCE["birthDate"]


@pytest.mark.parametrize("way", WAYS)
def test_plain_and_traced_runs_agree_on_what_stands_beside(way: str, one: Callable[..., Map]) -> None:
    """The result does not depend on whether anybody asks for lineage."""
    text = f"{PATIENT}{to('Patient')}group G(source src : Source, target tgt : Patient) {{ {WAYS[way]} }}"
    plain, traced = (
        one(text).run(json.dumps(SOURCE).encode(), media_type="application/fhir+json", lineage=lineage)
        for lineage in (False, True)
    )

    assert plain.resources == traced.resources


def test_a_primitive_that_has_only_an_extension_is_copied(one: Callable[..., Map]) -> None:
    """A value that is absent for a reason keeps its reason."""
    outcome = mapped(one, "src.gender as g -> tgt.gender = g;")

    assert outcome.resources == [{"resourceType": "Patient", "_gender": SOURCE["_gender"]}]


def test_a_choice_of_primitives_takes_along_what_stands_beside_it(one: Callable[..., Map]) -> None:
    """A boolean keeps its id."""
    outcome = mapped(one, "src.deceased : boolean as d -> tgt.deceased = d;")

    assert outcome.resources[0]["_deceasedBoolean"] == {"id": "d"}


def test_each_value_of_a_list_keeps_its_own(one: Callable[..., Map]) -> None:
    """Of repeated values, each takes along what stands beside it and no other."""
    rules = (
        "src.name as n -> tgt.name as m then { n.given as g -> m.given = g; n.family as f -> m.family = f; };"
    )
    outcome = mapped(one, rules)

    assert outcome.resources[0]["name"] == SOURCE["name"]


def test_what_was_taken_along_is_accounted_for(one: Callable[..., Map]) -> None:
    """Its leaves are mapped, each with the place it went to."""
    outcome = mapped(one, WAYS["variable"])

    assert "/_birthDate/extension/0/valueString" in outcome.accounting.of("mapped")
    assert outcome.lineage.source_field("Patient.birthDate") == "/birthDate"
    assert outcome.lineage.step("Patient.birthDate.extension[0].valueString").sources == (
        "/_birthDate/extension/0/valueString",
    )


def test_what_cannot_be_taken_along_is_told(one: Callable[..., Map]) -> None:
    """A text made of several has no place for the extensions of one of them."""
    outcome = mapped(one, "src.birthDate as b -> tgt.language = append(b, '-');")

    assert "/_birthDate/extension/0/valueString" in outcome.accounting.unaccounted


def test_a_condition_sees_value_and_extension(one: Callable[..., Map]) -> None:
    """FHIRPath reads a primitive as FHIR does: as its value, which may have extensions."""
    rules = "src.birthDate as b where (b = @1990-01-01 and b.extension.exists()) -> tgt.birthDate = b;"
    outcome = mapped(one, rules)

    assert outcome.resources[0]["birthDate"] == "1990-01-01"


def test_a_group_for_a_primitive_type_can_read_what_stands_beside_it(one: Callable[..., Map]) -> None:
    """Groups for data types, as other projects write them, find value and extension."""
    text = (
        f"{PATIENT}{to('Patient')}group G(source src : Source, target tgt : Patient) {{"
        "  src.birthDate -> tgt.birthDate; }"
        "group Date(source src : date, target tgt : date) <<types>> {"
        "  src.value as v -> tgt.value = v; src.extension -> tgt.extension; }"
    )
    outcome = one(text).run(json.dumps(SOURCE).encode(), media_type="application/fhir+json", lineage=True)

    assert outcome.resources[0]["birthDate"] == "1990-01-01"
    assert outcome.resources[0]["_birthDate"] == {"extension": SOURCE["_birthDate"]["extension"]}
    assert "/_birthDate/id" in outcome.accounting.unaccounted
