"""Bindings, code systems, concept maps, messages and searches: what they name is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.canonical import BASE, code_system
from adapter.fhir.packages import load
from adapter.fhir.types import r4
from adapter.fhirpath import compile_expression
from adapter.shipped import folder
from adapter.validation.finnish import finnish_base
from tests.content.conftest import read, resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.packages import Package

EXAMPLES = folder("fixtures") / "examples"
EVERY = [read(path) for path in resources()]
OURS = {one["url"]: one for one in EVERY}
CORE = "http://hl7.org/fhir/StructureDefinition/"

NEVER_TRAVEL = {"person-identity-change", "person-data-change", "not-relayed"}
"""Events that end at the door: nobody is sent such a message."""

UNKNOWN = ("http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icf", "urn:oid:")
"""Systems whose codes nobody here can count."""


def of(resource_type: str) -> list[dict[str, Any]]:
    """Return our definitions of a type."""
    return [one for one in EVERY if one["resourceType"] == resource_type]


def _named(one: dict[str, Any]) -> str:
    return str(one["id"])


def codes(system: str) -> set[str] | None:
    """Return the codes of one of our systems, None for another's."""
    found = OURS.get(system)
    return None if found is None else {concept["code"] for concept in found.get("concept", ())}


def _elements(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from definition["differential"]["element"]


@pytest.fixture(scope="module")
def core(corpus: Path) -> Package:
    """The published definitions of R4."""
    return load(corpus / "fhir-r4-definitions" / "hl7.fhir.r4.core.tgz")


@pytest.mark.parametrize("definition", of("StructureDefinition"), ids=_named)
def test_what_a_profile_binds_and_points_at_is_there(definition: dict[str, Any]) -> None:
    """Each value set, base, type profile and target is ours, Finnish, or of R4."""
    canonicals = {definition["baseDefinition"]}
    for element in _elements(definition):
        canonicals.update(
            [element["binding"]["valueSet"]] if "valueSet" in element.get("binding", {}) else []
        )
        for kind in element.get("type", ()):
            canonicals.update([*kind.get("profile", ()), *kind.get("targetProfile", ())])

    missing = [
        url
        for url in canonicals
        if url not in OURS
        and finnish_base().resource(url) is None
        and r4().type(url.removeprefix(CORE)) is None
        and not url.startswith("http://hl7.org/fhir/ValueSet/")
    ]

    assert missing == []


@pytest.mark.corpus
def test_the_value_sets_of_r4_that_we_bind_to_are_there(core: Package) -> None:
    """A canonical of R4 that we name is one of R4."""
    named = {
        element["binding"]["valueSet"]
        for definition in of("StructureDefinition")
        for element in _elements(definition)
        if element.get("binding", {}).get("valueSet", "").startswith("http://hl7.org/fhir/")
    }

    assert {url for url in named if core.resource(url) is None} == set()


@pytest.mark.parametrize("value_set", of("ValueSet"), ids=_named)
def test_a_value_set_names_codes_that_are_there(value_set: dict[str, Any]) -> None:
    """Each code a value set lists is a code of the system it is listed of."""
    wrong = [
        (include["system"], concept["code"])
        for include in value_set["compose"]["include"]
        for concept in include.get("concept", ())
        if (known := codes(include["system"])) is not None and concept["code"] not in known
    ]

    assert wrong == []


@pytest.mark.parametrize("system", [one for one in of("CodeSystem") if one["id"] != "finding"], ids=_named)
def test_a_code_system_has_a_value_set_and_a_slot_for_national_codes(system: dict[str, Any]) -> None:
    """A code of a national system can be added to a concept without a new version of the structure."""
    assert system["valueSet"] in OURS
    assert {"code": "national-code", "type": "Coding"}.items() <= system["property"][0].items()
    assert "urn:ietf:rfc:3986" in {each["system"] for each in system["identifier"]}


def _rows(concept_map: dict[str, Any]) -> Iterator[tuple[str, str, str | None, str, str | None]]:
    for group in concept_map["group"]:
        for element in group["element"]:
            for target in element["target"]:
                yield (
                    group["source"],
                    element["code"],
                    group.get("target"),
                    target["equivalence"],
                    target.get("code"),
                )


PUBLISHED = [read(path) for path in sorted((folder("profiles") / "conceptmaps").glob("*.json"))]


@pytest.mark.parametrize("concept_map", PUBLISHED, ids=_named)
def test_a_concept_map_says_something_of_every_code(concept_map: dict[str, Any]) -> None:
    """Each code of its source is mapped, or said to have no counterpart."""
    for group in concept_map["group"]:
        known = codes(group["source"])
        assert known is None or {element["code"] for element in group["element"]} == known
    assert all((target is None) == (kind == "unmatched") for *_, kind, target in _rows(concept_map))


@pytest.mark.corpus
@pytest.mark.parametrize("concept_map", PUBLISHED, ids=_named)
def test_a_concept_map_leads_to_codes_that_are_there(concept_map: dict[str, Any], core: Package) -> None:
    """Each code of its target is one of ours or of R4."""

    def within(concepts: list[dict[str, Any]]) -> Iterator[str]:
        for concept in concepts:
            yield concept["code"]
            yield from within(concept.get("concept", []))

    for _, _, system, _, code in _rows(concept_map):
        known = codes(system or "")
        if known is None and code is not None:
            known = set(within((core.resource(system or "") or {"concept": []})["concept"]))
        assert code is None or code in (known or set()), (system, code)


def test_every_event_that_travels_has_its_message() -> None:
    """There is one MessageDefinition for each event that a partner can be sent, named as the event."""
    events = codes(code_system("message-event")) or set()
    defined = {one["eventCoding"]["code"]: one["id"] for one in of("MessageDefinition")}

    assert defined == {event: f"{event}-definition" for event in events - NEVER_TRAVEL}


@pytest.mark.parametrize("message", of("MessageDefinition"), ids=_named)
def test_the_focus_of_a_message_is_what_its_profile_constrains(message: dict[str, Any]) -> None:
    """Profile and type of each focus agree."""
    for focus in message.get("focus", ()):
        assert focus["code"] == OURS[focus["profile"]]["type"]


@pytest.mark.corpus
@pytest.mark.parametrize("operation", of("OperationDefinition"), ids=_named)
def test_an_operation_narrows_one_of_r4(operation: dict[str, Any], core: Package) -> None:
    """It has the code of its base and no parameter that the base has not."""
    base = core.resource(operation["base"]) or {"parameter": []}

    assert operation["code"] == base["code"]
    assert {(each["name"], each["use"]) for each in operation["parameter"]} <= {
        (each["name"], each["use"]) for each in base["parameter"]
    }


FOUND_IN = {
    "consent-basis": "explicit-consent",
    "consent-episode": "referral-consent",
    "communication-content-level": "referral-message",
    "sick-leave-checkpoint": "sick-leave-period",
    "referral-employer": "oh-referral",
}


@pytest.mark.parametrize("name", sorted(FOUND_IN))
def test_a_search_finds_what_it_is_for(name: str) -> None:
    """The expression of a search parameter reads a value from an example."""
    parameter = OURS[f"{BASE}/SearchParameter/{name}"]
    example = read(EXAMPLES / f"{FOUND_IN[name]}.json")
    whole = [example, *(entry["resource"] for entry in example.get("entry", ()))]
    kind = parameter["base"][0]

    values = [
        value
        for resource in whole
        if resource["resourceType"] == kind
        for value in compile_expression(parameter["expression"], context=kind)(resource)
    ]

    assert values
