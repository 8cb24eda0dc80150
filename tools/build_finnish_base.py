"""Generate the table of Finnish base definitions from the packages of HL7 Finland.

    python tools/build_finnish_base.py hl7.fhir.fi.base-2.0.0-rc2.tgz hl7.fhir.fi.scheduling-2.0.0-rc2.tgz

Writes `adapter/validation/data/finnish.json.gz`: StructureDefinitions as differentials, CodeSystems and
ValueSets, with what validation asks of them and their one-line titles, and none of the prose. A definition
that two packages hold is taken from the one named first. The packages are CC0-1.0; their names, versions and
SHA-256 go into the file. The same packages give the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from adapter.fhir.packages import load

TARGET = Path(__file__).parent.parent / "adapter" / "validation" / "data" / "finnish.json.gz"
FORMAT = 1
LICENCE = "CC0-1.0"

HEAD = ("resourceType", "id", "url", "version", "name", "title", "status", "publisher")
KEPT: dict[str, tuple[str, ...]] = {
    "StructureDefinition": (
        *HEAD,
        "fhirVersion",
        "kind",
        "abstract",
        "context",
        "contextInvariant",
        "type",
        "baseDefinition",
        "derivation",
    ),
    "CodeSystem": (*HEAD, "caseSensitive", "content", "count", "concept"),
    "ValueSet": (*HEAD, "compose"),
}
"""What is kept of a definition, by its type; of a StructureDefinition also its differential."""

PROSE = frozenset({"definition", "comment", "requirements", "alias", "mapping", "isModifierReason"})
"""What an element says to people only."""

Definition = dict[str, Any]


def read_package(path: Path) -> tuple[dict[str, str], list[Definition]]:
    """Return name, version and SHA-256 of a package, and its JSON resources in order of file name.

    Raises ValueError if the package is not placed in the public domain, and what `load` raises.
    """
    package = load(path)
    if json.loads(package.files.read("package/package.json")).get("license") != LICENCE:
        raise ValueError(f"{path.name} is not {LICENCE}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    provenance = {"name": package.name, "version": package.version, "sha256": digest}
    return provenance, [json.loads(package.files.read(entry.file)) for entry in package.entries()]


def element(stated: Definition) -> Definition:
    """Return what an element of a differential says to a validator."""
    kept = {key: value for key, value in stated.items() if key not in PROSE}
    if "slicing" in kept:
        kept["slicing"] = {key: value for key, value in kept["slicing"].items() if key != "description"}
    return kept


def compacted(definition: Definition) -> Definition:
    """Return a definition without its prose and its snapshot."""
    kept = {key: definition[key] for key in KEPT[definition["resourceType"]] if key in definition}
    if "differential" in definition:
        kept["differential"] = {"element": [element(one) for one in definition["differential"]["element"]]}
    return kept


def compact(value: object) -> str:
    """Write JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def build(packages: list[Path]) -> Definition:
    """Return the whole table as one JSON document; each definition is a JSON text of its own inside it."""
    provenances: list[dict[str, str]] = []
    definitions: dict[str, str] = {}
    for path in packages:
        provenance, resources = read_package(path)
        provenances.append(provenance)
        for resource in resources:
            if resource["resourceType"] in KEPT:
                definitions.setdefault(resource["url"], compact(compacted(resource)))
    return {"format": FORMAT, "packages": provenances, "definitions": dict(sorted(definitions.items()))}


def main() -> None:
    """Read the packages named on the command line and write the table."""
    parser = argparse.ArgumentParser(description="Generate the table of Finnish base definitions.")
    parser.add_argument("packages", type=Path, nargs="+", help="hl7.fhir.fi.base.tgz and others")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    text = compact(build(arguments.packages)) + "\n"
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(packed)
    print(f"{arguments.output}: {len(packed)} bytes, {len(text)} unpacked")


if __name__ == "__main__":
    main()
