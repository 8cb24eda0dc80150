"""The logical model of the JSON event says neither more nor less than the map reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.shipped import folder
from tests.content.conftest import NOTIFICATIONS, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODEL = read(folder("profiles") / "logical" / "hospital-event.json")
ROOT = MODEL["differential"]["element"][0]["path"]
PATHS = {each["path"].removeprefix(f"{ROOT}.") for each in MODEL["differential"]["element"][1:]}
EVENTS = [path for path in sorted(NOTIFICATIONS.glob("*.json")) if not path.name.endswith(".fhir.json")]


def _paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, at)
    elif isinstance(value, dict):
        for key, one in value.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from _paths(one, path)


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_holds_to_its_model(path: Path) -> None:
    """No fixture uses a name that the model does not know."""
    assert sorted(set(_paths(json.loads(path.read_text("utf-8")))) - PATHS) == []


def test_the_map_reads_every_name_of_the_model() -> None:
    """A name of the model that no rule reads would be lost in silence."""
    text = (folder("mappings") / "notification-from-json.map").read_text("utf-8")
    names = {path.rpartition(".")[2] for path in PATHS}

    assert sorted(name for name in names if name not in text) == []
