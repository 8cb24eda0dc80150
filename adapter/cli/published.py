"""The shipped definitions, maps and examples, as they are published: profiles whole, maps as StructureMap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.errors import ConfigurationError, ContentError
from adapter.fhir import json
from adapter.fhir.packages import load
from adapter.shipped import folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapter.fhir.json import Resource
    from adapter.validation import Validator

INSTANCES = ("expected", "examples", "messages")
"""Folders of `fixtures/`, at any depth, whose resources are examples."""
BROKEN = "wrong"
"""Folder of what is broken on purpose."""


def definitions(validator: Validator) -> Iterator[Resource]:
    """Yield every shipped definition by type and id: profiles and logical models whole, maps as StructureMap.

    `validator` makes the snapshots. Raises ConfigurationError if a definition cannot be used.
    """
    found = [
        _whole(one, validator) if one["resourceType"] == "StructureDefinition" else one
        for one in load(folder("profiles")).resources()
    ]
    maps = [structure_map(file) for file in sorted(folder("mappings").rglob("*.map"))]
    tables = load(folder("mappings")).resources()
    yield from sorted([*found, *maps, *tables], key=lambda one: (one["resourceType"], one["id"]))


def _whole(definition: Resource, validator: Validator) -> Resource:
    """Return a StructureDefinition with its snapshot, and its differential in the order of the snapshot.

    The standard's own generator refuses a differential in another order.
    """
    elements = validator.snapshot(definition["url"]) or []
    places = {element["id"]: at for at, element in enumerate(elements)}
    last = 0
    said = []
    for element in definition["differential"]["element"]:
        last = places.get(element["id"], last)
        said.append((last, element))
    in_order = [element for _, element in sorted(said, key=lambda one: one[0])]
    made = {key: value for key, value in definition.items() if key != "differential"}
    return {**made, "snapshot": {"element": elements}, "differential": {"element": in_order}}


def structure_map(file: Path) -> Resource:
    """Return a map as StructureMap with an id and a name that programs can use.

    Raises ConfigurationError with the parser's issues if the map cannot be read.
    """
    from adapter.mapping.fml.parser import parse
    from adapter.mapping.fml.structuremap import to_structure_map

    tree, issues = parse(file.read_text("utf-8"), file.name)
    if tree is None:
        raise ConfigurationError("MP400", params={"count": len(issues)}, issues=issues)
    made = to_structure_map(tree)
    name = str(made["url"]).rpartition("/")[2]
    head = {"resourceType": "StructureMap", "id": name}
    words = "".join(word.capitalize() for word in name.split("-"))
    return {**head, **made, "id": name, "name": words, "status": "draft"}


def examples(validator: Validator) -> Iterator[tuple[str, Resource]]:
    """Yield the valid FHIR resources among the fixtures, by a name made of folder and file."""
    place = folder("fixtures")
    for file in sorted(place.rglob("*.json")):
        parts = file.relative_to(place).parts
        is_shown = set(parts) & set(INSTANCES) or file.name.endswith(".fhir.json")
        if not is_shown or BROKEN in parts:
            continue
        try:
            content = json.read(file.read_bytes())
        except ContentError:
            continue  # what is broken on purpose is no example
        is_resource = isinstance(content, dict) and "resourceType" in content
        if is_resource and not any(issue.is_error for issue in validator.validate(content)):
            stem = file.name.removesuffix(".json").removesuffix(".fhir")
            yield (
                "-".join((*(part for part in parts[:-1] if part not in ("expected", "examples")), stem)),
                content,
            )
