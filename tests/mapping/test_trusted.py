"""Folders whose maps were checked when they were made: not again, unless something changes what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.errors import ConfigurationError
from adapter.mapping import MapSet

if TYPE_CHECKING:
    from pathlib import Path

MAP = """/// url = 'http://example.org/StructureMap/{name}'
/// name = '{name}'
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as source
uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Patient as target
imports "http://example.org/StructureMap/parts"

group {name}(source s : Patient, target t : Patient) {{
  s.name as from -> t.name as to then {group}(from, to) "name";
}}
"""
PARTS = """/// url = 'http://example.org/StructureMap/parts'
/// name = 'parts'
uses "http://hl7.org/fhir/StructureDefinition/HumanName" alias HumanName as source
uses "http://hl7.org/fhir/StructureDefinition/HumanName" alias HumanName as target

group {group}(source s : HumanName, target t : HumanName) {{
  s.family -> t.family "family";
}}
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder with a map, and the parts it imports."""
    place = tmp_path / "shipped"
    place.mkdir()
    (place / "whole.map").write_text(MAP.format(name="whole", group="Name"))
    (place / "parts.map").write_text(PARTS.format(group="Name"))
    return place


def test_a_trusted_map_works_as_any_other(shipped: Path) -> None:
    """It is made ready at its first run."""
    maps = MapSet.load(shipped, trusted=[shipped])

    outcome = maps["whole"].run(
        b'{"resourceType": "Patient", "name": [{"family": "A"}]}', media_type="application/fhir+json"
    )

    assert outcome.resources == [{"resourceType": "Patient", "name": [{"family": "A"}]}]


def test_what_is_put_above_its_parts_is_checked_with_it(shipped: Path, tmp_path: Path) -> None:
    """A deployment's own parts without the group that a trusted map calls are a fault at the start."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "parts.map").write_text(PARTS.format(group="Other"))

    with pytest.raises(ConfigurationError) as caught:
        MapSet.load([shipped, own], trusted=[shipped])

    assert {(issue.code, issue.at) for issue in caught.value.issues} == {("MP202", "whole.map")}


def test_a_map_of_ones_own_is_checked_whatever_it_imports(shipped: Path, tmp_path: Path) -> None:
    """Trust in the shipped folder does not reach what others write beside it."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.map").write_text(MAP.format(name="mine", group="Missing"))

    with pytest.raises(ConfigurationError) as caught:
        MapSet.load([shipped, own], trusted=[shipped])

    assert {(issue.code, issue.at) for issue in caught.value.issues} == {("MP202", "mine.map")}


def test_without_trust_everything_is_checked(shipped: Path) -> None:
    """As `silta map check` and the tests do."""
    (shipped / "whole.map").write_text(MAP.format(name="whole", group="Missing"))

    with pytest.raises(ConfigurationError):
        MapSet.load(shipped)
