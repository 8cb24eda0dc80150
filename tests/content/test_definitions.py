"""Profiles, code systems, value sets and code tables: each valid R4, complete and in its languages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import adapter
from adapter.fhir.canonical import BASE
from adapter.fhir.types import r4
from adapter.relay.case import CaseEvent
from adapter.relay.message import DeliveryState, MessageState
from adapter.shipped import folder
from tests.content.conftest import read, resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.validation.validator import Validator

LICENSED = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "urn:oid:1.2.246.537.6.1",
    "urn:oid:1.2.246.537.6.2",
)
"""Code systems whose displays we have no licence for."""
CODE_SYSTEMS = [
    path
    for path in sorted((folder("profiles") / "codesystems").glob("*.json"))
    if read(path)["content"] == "complete"
]


def _canonicals(value: Any) -> Iterator[str]:
    """Yield every canonical of ours that a definition mentions as a whole value."""
    if isinstance(value, dict):
        for one in value.values():
            yield from _canonicals(one)
    elif isinstance(value, list):
        for one in value:
            yield from _canonicals(one)
    elif (
        isinstance(value, str) and value.startswith(f"{BASE}/") and "/sid/" not in value and " " not in value
    ):
        yield value


def _codings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "code" in value and "system" in value:
            yield value
        for one in value.values():
            yield from _codings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _codings(one)


KNOWN = {read(path)["url"] for path in resources()}
PROFILES = [path for path in resources() if read(path).get("kind") == "resource"]


@pytest.mark.parametrize("path", resources(), ids=lambda path: path.stem)
def test_a_definition_is_valid_r4(path: Path, validator: Validator) -> None:
    """Every definition passes R4 without an error."""
    found = [(issue.code, issue.at) for issue in validator.validate(read(path)) if issue.is_error]

    assert found == []


@pytest.mark.parametrize("path", resources(), ids=lambda path: path.stem)
def test_a_file_is_named_as_its_definition(path: Path) -> None:
    """A definition is found by its file name: id, end of the url and file are one."""
    definition = read(path)

    assert (definition["id"], definition["url"].rpartition("/")[2]) == (path.stem, path.stem)


@pytest.mark.parametrize("path", resources(), ids=lambda path: path.stem)
def test_what_a_definition_mentions_of_ours_exists(path: Path) -> None:
    """No definition points at a profile, value set or code system of ours that is not there."""
    assert sorted(set(_canonicals(read(path))) - KNOWN) == []


@pytest.mark.parametrize("path", CODE_SYSTEMS, ids=lambda path: path.stem)
def test_every_code_has_a_finnish_and_a_swedish_name(path: Path) -> None:
    """Each concept carries a designation in both languages beside its English display."""
    for concept in read(path)["concept"]:
        languages = {each["language"] for each in concept["designation"]}
        assert languages == {"fi", "sv"}, concept["code"]


@pytest.mark.parametrize("path", CODE_SYSTEMS, ids=lambda path: path.stem)
def test_a_code_system_counts_its_codes(path: Path) -> None:
    """`count` is the number of distinct codes."""
    system = read(path)

    assert system["count"] == len({concept["code"] for concept in system["concept"]})


def _claimed(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        meta = value.get("meta")
        yield from meta.get("profile", ()) if isinstance(meta, dict) else ()
        for one in value.values():
            yield from _claimed(one)
    elif isinstance(value, list):
        for one in value:
            yield from _claimed(one)


def test_every_profile_has_an_example() -> None:
    """Somewhere in the fixtures a resource claims it; those of `wrong/` do not count."""
    files = [path for path in folder("fixtures").rglob("*.json") if "wrong" not in path.parts]

    shown = {url for path in files for url in _claimed(json.loads(path.read_text("utf-8")))}

    assert {f"{BASE}/StructureDefinition/{path.stem}" for path in PROFILES} - shown == set()


def test_every_definition_the_package_names_is_shipped() -> None:
    """A profile, extension or code system that the code speaks of by name has its definition here."""
    package = Path(adapter.__file__).parent
    text = "\n".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    named = set(re.findall(r"\b(?:profile|code_system)\(\"([a-z0-9-]+)\"\)", text))

    assert sorted(named - {url.rpartition("/")[2] for url in KNOWN}) == []


def test_the_states_told_to_a_sender_are_those_of_the_relay() -> None:
    """The code system of fates has the states of messages and deliveries, no more and no less."""
    fates = read(folder("profiles") / "codesystems" / "fate.json")["concept"]

    assert {each["code"] for each in fates} == {*map(str, DeliveryState), *map(str, MessageState)}


def test_the_business_replies_are_the_events_of_a_case() -> None:
    """What occupational health can answer is what moves a case on."""
    replies = read(folder("profiles") / "codesystems" / "business-reply.json")["concept"]

    assert {each["code"] for each in replies} == set(map(str, CaseEvent))


def test_no_display_of_a_licensed_code_system_is_given_away() -> None:
    """SNOMED CT, LOINC and THL codes stand without their displays, in definitions and fixtures alike."""
    files = [*resources(), *folder("fixtures").rglob("*.json")]

    shown = [
        path.name
        for path in files
        for each in _codings(read(path))
        if each["system"] in LICENSED and each.get("display")
    ]

    assert shown == []


def _order(element: dict[str, Any], kind: str, seen: dict[str, int]) -> tuple[int, ...]:
    """Return where an element belongs: its place in each type on the way, and which slice it is."""
    found: list[int] = []
    kinds: tuple[str, ...] = (kind,)
    for step in element["id"].split(".")[1:]:
        name, _, of_slice = step.partition(":")
        places = [
            (number, each.types)
            for kind in kinds
            if (definition := r4().type(kind)) is not None
            for number, (stem, each) in enumerate(definition.elements.items())
            if name == stem or (each.is_choice and name == f"{stem}[x]")
        ]
        number, kinds = places[0]
        found += [number, seen.setdefault(element["path"] + of_slice, len(seen)) if of_slice else -1]
    return tuple(found)


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_a_differential_stands_in_the_order_of_its_type(path: Path) -> None:
    """Elements come as the type has them, slices after what they slice: other tools refuse all else."""
    definition = read(path)
    seen: dict[str, int] = {}

    places = [_order(element, definition["type"], seen) for element in definition["differential"]["element"]]

    assert places == sorted(places)
