"""Real resources go from JSON to XML and back, and equal their twins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from adapter.errors import ContentError
from adapter.fhir import decode, encode, json, locate, typed, untyped, xml
from tests.fhir.generated import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.corpus

VALID_FOLDERS = (
    "fhir-r4-examples",
    "fhir-r4-roundtrip",
    "finnish-examples",
    "medcom-examples",
    "medcom-testscripts",
    "davinci-alerts",
    "pacio-pfe",
    "us-core",
    "mcc-careplan",
    "synthea-bundles",
    "fhirpath-r4",
)
KNOWN_TWINS_THAT_DIFFER = {
    "ConceptMap-102": "the JSON has a meta that the XML lacks",
    "ConceptMap-cdshooks-indicator": "the JSON has a meta that the XML lacks",
    "ConceptMap-example2": "the JSON has a meta that the XML lacks",
    "observation-decimal": "the JSON was written by a program that changes number texts",
    "observation-example": "the XML has an extension that the JSON lacks",
}


def resources(corpus: Path, suffix: str) -> Iterator[tuple[Path, bytes]]:
    for folder in VALID_FOLDERS:
        for file in sorted((corpus / folder).rglob(f"*{suffix}")):
            body = file.read_bytes()
            if b"resourceType" in body or b'xmlns="http://hl7.org/fhir"' in body:
                yield file, body


def aligned(value: Any) -> Any:
    """Return a resource with trailing nulls of `_` arrays left out, which say nothing."""
    if isinstance(value, dict):
        return {key: aligned(_cut(item) if key.startswith("_") else item) for key, item in value.items()}
    return [aligned(item) for item in value] if isinstance(value, list) else value


def _cut(items: Any) -> Any:
    while isinstance(items, list) and items and items[-1] is None:
        items = items[:-1]
    return items


def without_narrative(value: Any) -> Any:
    """Return a resource without narrative (twins had theirs made at other times) and white space runs."""
    if isinstance(value, dict):
        return {
            key: without_narrative(item) for key, item in value.items() if key not in ("div", "fhir_comments")
        }
    if isinstance(value, list):
        return [without_narrative(item) for item in value]
    return re.sub(r"\s+", " ", value).strip() if isinstance(value, str) else value


def test_json_survives_the_way_through_xml(corpus):
    """JSON -> XML -> JSON gives every value, number text and narrative back."""
    wrong, seen = [], 0
    for file, body in resources(corpus, ".json"):
        resource = decode(body, "json")
        seen += 1
        if told(aligned(decode(encode(resource, "xml"), "xml"))) != told(aligned(resource)):
            wrong.append(file.name)
    assert (wrong, seen > 800) == ([], True)


def test_json_is_written_with_its_own_texts(corpus):
    """JSON -> JSON keeps every number text: the tokens are the same, white space aside."""
    number = re.compile(rb'(?<=[\s:\[,])-?[0-9][0-9.eE+-]*(?=[\s,\]}])(?=(?:[^"]*"[^"]*")*[^"]*$)')
    body = (corpus / "fhir-r4-roundtrip" / "observation-decimal.json").read_bytes()
    assert number.findall(json.write(json.read(body))) == number.findall(body)


def test_xml_survives_the_way_through_json(corpus):
    """XML -> JSON -> XML -> JSON loses nothing, and the XML is well-formed FHIR each time."""
    wrong, seen = [], 0
    for file, body in resources(corpus, ".xml"):
        resource = xml.read(body)
        seen += 1
        if told(xml.read(xml.write(json.read(json.write(resource))))) != told(resource):
            wrong.append(file.name)
    assert (wrong, seen > 300) == ([], True)


def test_twins_are_equal(corpus):
    """The XML twin of a JSON example reads as the same resource, narrative aside."""
    wrong, seen = set(), 0
    for file, body in resources(corpus, ".xml"):
        places = (file.with_suffix(".json"), file.parent.parent / "json" / f"{file.stem}.json")
        twin = next((place for place in places if place.exists()), None)
        if twin is None:
            continue
        seen += 1
        if told(without_narrative(xml.read(body))) != told(without_narrative(json.read(twin.read_bytes()))):
            wrong.add(file.stem)
    assert (wrong - set(KNOWN_TWINS_THAT_DIFFER), seen > 300) == (set(), True)


def test_every_place_can_be_found_again(corpus):
    """Of each example, what `locate` finds for an element's path is that element's key."""
    for file, body in resources(corpus, ".json"):
        resource = json.read(body)
        if "status" in resource:
            line, column = locate(body, "json", f"{resource['resourceType']}.status")
            found = body.decode().removeprefix("\ufeff").split("\n")[line - 1][column - 1 :]
            assert found.startswith('"status"'), file.name


def test_the_typed_view_gives_resources_back(corpus):
    """What R4B classes accept comes back unchanged, to the last digit; few examples are refused."""
    refused, seen = [], 0
    for file, body in resources(corpus, ".json"):
        if "fhir-r4-roundtrip" not in str(file) and "us-core" not in str(file):
            continue
        resource = json.read(body)
        seen += 1
        try:
            model = typed(resource)
        except ContentError:
            refused.append(file.name)
            continue
        assert told(untyped(model, like=resource)) == told(resource), file.name
    assert (refused, seen > 100) == (["bundle-questionnaire.json"], True)
