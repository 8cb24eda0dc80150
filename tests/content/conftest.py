"""What the tests of the content share: the shipped folders, loaded once."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from adapter.shipped import folder
from tests import shipped

if TYPE_CHECKING:
    from pathlib import Path

    from adapter.mapping import MapSet
    from adapter.validation.validator import Validator

ZONE = "Europe/Helsinki"
NOTIFICATIONS = folder("fixtures") / "notification"


@cache
def read(path: Path) -> dict[str, Any]:
    """Read one JSON file."""
    return dict(json.loads(path.read_text("utf-8")))


def resources() -> list[Path]:
    """Return every shipped FHIR definition: profiles, terminology, code tables."""
    return sorted([*folder("profiles").rglob("*.json"), *folder("mappings").rglob("*.json")])


@pytest.fixture(scope="session")
def maps() -> MapSet:
    """All shipped maps."""
    return shipped.maps()


@pytest.fixture(scope="session")
def validator() -> Validator:
    """R4 and the shipped profiles."""
    return shipped.validator()
