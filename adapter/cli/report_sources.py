"""What a report is computed from: FHIR resources in files, folders and NDJSON, and small tables in CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from adapter.cli.report_store import stored
from adapter.errors import ConfigurationError, ContentError
from adapter.fhir import json, xml
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Resource
    from adapter.validation import Validator

SETTINGS = ".toml"
READ = (".json", ".xml", ".ndjson")
SHAPELESS = frozenset(("VA102", "VA103", "VA104", "VA107", "VA108", "VA109", "VA115", "VA123"))
"""Findings about resources that have not the shape of one, so that nothing can be read from them."""

NO_FHIR = frozenset(("VA108", "FH203"))
"""Findings about what is not meant to be FHIR."""


def resources(
    places: list[str], issues: list[Issue], report: str, reason: str | None = None
) -> Iterator[Resource]:
    """Yield every resource in the files and folders; what cannot be read is added to `issues`.

    A folder is read whole, files in order of name; what in it is no FHIR is passed over. The settings of a
    deployment (.toml) stand for the messages in its store, and need a reason. Raises ConfigurationError RP101
    if a place is not there, else as `report_store.stored` does.
    """
    from adapter.validation import Validator

    validator = Validator(scope="structure")
    for place in map(Path, places):
        if not place.exists():
            raise ConfigurationError("RP101", params={"place": str(place)})
        if place.suffix == SETTINGS:
            yield from stored(place, report, reason)
            continue
        files = [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.suffix in READ)
        for file in files:
            for at, found in _read(file):
                fault = found if isinstance(found, Issue) else _fault(found, validator)
                if fault is None:
                    yield found  # type: ignore[misc]  # an Issue is its own fault
                elif place.is_file() or fault.code not in NO_FHIR:
                    params = {"fault": fault.code, "reason": fault.text()}
                    issues.append(Issue("RP103", at=at, params=params))


def _fault(resource: Resource, validator: Validator) -> Issue | None:
    return next((one for one in validator.validate(resource) if one.code in SHAPELESS), None)


def _read(file: Path) -> Iterator[tuple[str, Resource | Issue]]:
    """Yield the place of each resource of a file, and the resource or why there is none."""
    body = file.read_bytes()
    lines = body.splitlines() if file.suffix == ".ndjson" else [body]
    for number, line in enumerate(lines, 1):
        at = str(file) if file.suffix != ".ndjson" else f"{file}:{number}"
        if line.strip():
            try:
                yield at, xml.read(line) if file.suffix == ".xml" else json.read(line)
            except ContentError as fault:
                yield at, fault.issue


def table(file: str | None, key: str, value: str) -> dict[str, str]:
    """Return two columns of a CSV file, one by the other; nothing without a file.

    Raises ConfigurationError RP101 if the file is not there, RP102 if a column or a cell is missing.
    """
    if file is None:
        return {}
    place = Path(file)
    if not place.is_file():
        raise ConfigurationError("RP101", params={"place": file})
    with place.open(encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    if not rows or any(not row.get(key) or not row.get(value) for row in rows):
        raise ConfigurationError("RP102", params={"file": file, "columns": f"{key}, {value}"})
    return {row[key]: row[value] for row in rows}
