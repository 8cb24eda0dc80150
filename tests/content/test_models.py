"""A logical model of a JSON source says neither more nor less than its map reads and its fixtures hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.mapping.cases import cases
from adapter.shipped import folder
from tests.content.conftest import read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODELS = {
    "notification-from-json": "hospital-event",
    "assessment-from-json": "assessment-event",
    "assessment-from-kykyviisari": "kykyviisari-export",
    "reply-from-json": "occupational-health-reply",
}
"""What the source of a map is called."""
ALSO = {"notification-from-json": "consents-from-json", "reply-from-json": "consents-from-json"}
"""Maps that read the rest of the same source."""
SOURCES = [(case.map, case.source) for case in cases(folder("fixtures")) if case.map in MODELS]


def names(map_name: str) -> set[str]:
    """Return the paths below the root that the model of a map's source knows."""
    model = read(folder("profiles") / "logical" / f"{MODELS[map_name]}.json")
    root, *elements = (each["path"] for each in model["differential"]["element"])
    return {path.removeprefix(f"{root}.") for path in elements}


def _paths(value: Any, at: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _paths(one, at)
    elif isinstance(value, dict):
        for key, one in value.items():
            path = f"{at}.{key}" if at else key
            yield path
            yield from _paths(one, path)


def _columns(table: Path) -> set[str]:
    header = table.read_bytes().decode("latin-1").removeprefix("\u00ef\u00bb\u00bf").splitlines()[0]
    return set(header.replace(";", ",").split(","))


@pytest.mark.parametrize(
    ("map_name", "source"), SOURCES, ids=[f"{map_name}-{source.stem}" for map_name, source in SOURCES]
)
def test_a_source_holds_to_its_model(map_name: str, source: Path) -> None:
    """No fixture uses a name that the model does not know."""
    found = _columns(source) if source.suffix == ".csv" else set(_paths(read(source)))

    assert sorted(found - names(map_name)) == []


@pytest.mark.parametrize("map_name", MODELS)
def test_the_map_reads_every_name_of_the_model(map_name: str) -> None:
    """A name of the model that no rule reads would be lost in silence."""
    files = [folder("mappings") / f"{each}.map" for each in (map_name, ALSO.get(map_name)) if each]
    text = "".join(file.read_text("utf-8") for file in files)

    assert sorted(name for name in names(map_name) if name.rpartition(".")[2] not in text) == []
