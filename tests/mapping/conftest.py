"""Small map sets for tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapter.mapping.mapset import MapSet, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.mapset import Map
    from adapter.outcome import Issue

V2 = 'uses "https://silta.example/fhir/StructureDefinition/v2-message" alias V2 as source\n'
JSON = 'uses "https://silta.example/fhir/StructureDefinition/json-document" alias Json as source\n'
XML = 'uses "https://silta.example/fhir/StructureDefinition/xml-document" alias Xml as source\n'
MODELS = Path(__file__).parent / "models"


def to(target: str) -> str:
    """The line that declares a FHIR target."""
    return f'uses "http://hl7.org/fhir/StructureDefinition/{target}" alias {target} as target\n'


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Write files into a folder of maps: `folder({"a.map": text})`."""

    def write(files: dict[str, str], name: str = "maps") -> Path:
        place = tmp_path / name
        for file, text in files.items():
            path = place / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return place

    return write


@pytest.fixture
def one(folder: Callable[..., Path]) -> Callable[..., Map]:
    """Load a map set of one map and return the map; more files by keyword `also`."""

    def load(text: str, *, also: dict[str, str] | None = None) -> Map:
        place = folder({"the.map": "/// url = 'urn:test:the'\n/// name = 'the'\n" + text, **(also or {})})
        return MapSet.load(place)["the"]

    return load


@pytest.fixture
def faults(folder: Callable[..., Path]) -> Callable[..., list[Issue]]:
    """Check a map and return its errors."""

    def find(text: str, *, also: dict[str, str] | None = None) -> list[Issue]:
        place = folder({"the.map": text, **(also or {})})
        return [issue for issue in check(place)[1] if issue.is_error]

    return find
