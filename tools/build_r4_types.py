"""Generate the R4 type table from the definitions packages.

    python tools/build_r4_types.py hl7.fhir.r4.core.tgz hl7.fhir.r4.expansions.tgz

Writes `adapter/fhir/data/r4.json.gz`: facts only (names, types, cardinalities, codes, invariants), no prose
but the sentence of each invariant. Both packages are CC0-1.0; their names, versions and SHA-256 go into the
file. The same packages give the same bytes.

The published snapshots are corrected in four places, each with its reason in the table it stands in:
`ID_TYPES`, `SYSTEM_TYPES`, `LINEAR_PATTERNS`, `OPEN_VALUE_SETS`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "adapter" / "fhir" / "data" / "r4.json.gz"
FORMAT = 1
CORE = "http://hl7.org/fhir/StructureDefinition/"
SYSTEM = "http://hl7.org/fhirpath/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
REGEX = CORE + "regex"
MAX_VALUE_SET = CORE + "elementdefinition-maxValueSet"

PROFILED_TYPES = {"SimpleQuantity", "MoneyQuantity"}
"""Constrained data types that base resources name as a type's profile; they stand in the table as types."""

ID_TYPES = {"Resource.id": "id"}
"""Snapshots type `Resource.id` as FHIRPath String, so that the rules of `id` would never be asked."""

SYSTEM_TYPES = {"positiveInt": "System.Integer", "unsignedInt": "System.Integer"}
"""Snapshots say String for these, though they specialise `integer`."""

LINEAR_PATTERNS = {"base64Binary": r"\s*([0-9a-zA-Z+/=]{4}\s*)+"}
"""The same language as published, without the nested repetition that backtracks exponentially."""

OPEN_VALUE_SETS = {"http://hl7.org/fhir/ValueSet/ucum-units", "http://hl7.org/fhir/ValueSet/mimetypes"}
"""Bound as required, but of grammars (UCUM, BCP 13) that no list can hold."""

LICENSED_SYSTEMS = {"http://snomed.info/sct", "http://loinc.org"}
"""Whose codes are not copied here."""

Definition = dict[str, Any]


def read_package(path: Path) -> tuple[dict[str, str], list[Definition]]:
    """Return name, version and SHA-256 of a package, and its JSON resources in order of file name."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    resources: dict[str, Definition] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member)
            if stream is not None and member.name.endswith(".json"):
                resources[member.name] = json.load(stream)
    manifest = resources.pop("package/package.json")
    provenance = {"name": manifest["name"], "version": manifest["version"], "sha256": digest}
    return provenance, [resources[name] for name in sorted(resources) if "resourceType" in resources[name]]


class Shared:
    """Values that many elements share, kept once and named by their index."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._index: dict[str, int] = {}

    def index(self, value: object) -> int:
        """Return the index of `value`, which is added if new."""
        key = json.dumps(value, sort_keys=True)
        if key not in self._index:
            self._index[key] = len(self.values)
            self.values.append(value)
        return self._index[key]


def invariant(constraint: Definition) -> list[str]:
    """Return key, severity, expression and sentence of one constraint."""
    return [constraint["key"], constraint["severity"], constraint["expression"], constraint["human"]]


def type_name(path: str, kind: Definition, has_children: bool) -> str:
    """Return the name in the table of one entry of ElementDefinition.type."""
    if path in ID_TYPES:
        return ID_TYPES[path]
    if has_children:
        return path
    code: str = kind["code"]
    if not code.startswith(SYSTEM):
        return code
    if path.endswith(".value"):
        return SYSTEM_TYPES.get(path.removesuffix(".value"), code.removeprefix(SYSTEM))
    stated = [extension for extension in kind.get("extension", []) if extension["url"] == FHIR_TYPE]
    return str(stated[0].get("valueUrl") or stated[0].get("valueUri")) if stated else "string"


def targets(element: Definition, code: str) -> list[str]:
    """Return the type names that `Reference` or `canonical` may point to."""
    found = [
        target.removeprefix(CORE)
        for kind in element.get("type", [])
        if kind["code"] == code
        for target in kind.get("targetProfile", [])
    ]
    return sorted(found)


def binding(element: Definition) -> list[str | None] | None:
    """Return strength, value set without version, and the largest value set allowed."""
    bound = element.get("binding")
    if not bound or "valueSet" not in bound:
        return None
    largest = [
        extension["valueCanonical"].partition("|")[0]
        for extension in bound.get("extension", [])
        if extension["url"] == MAX_VALUE_SET
    ]
    return [bound["strength"], bound["valueSet"].partition("|")[0], *largest]


class Table:
    """The type table while it is being put together."""

    def __init__(self) -> None:
        self.invariants = Shared()
        self.bindings = Shared()
        self.targets = Shared()
        self.types: dict[str, list[Any]] = {}

    def add(self, definition: Definition) -> None:
        """Add the type of a StructureDefinition and the backbones inside it."""
        elements = definition["snapshot"]["element"]
        paths = [element["path"] for element in elements]
        name = definition["name"] if definition["name"] in PROFILED_TYPES else definition["type"]
        parents = {path.rpartition(".")[0] for path in paths} - {""}
        by_parent: dict[str, list[Definition]] = {parent: [] for parent in sorted(parents)}
        for element in elements[1:]:
            by_parent[element["path"].rpartition(".")[0]].append(element)
        base = (definition.get("baseDefinition") or "").removeprefix(CORE) or None
        kind = definition["kind"]
        root = definition["type"]
        value = by_parent[root][-1] if kind == "primitive-type" else None
        rows = [self._element(element, parents) for element in by_parent.pop(root, [])]
        self.types[name] = [
            kind,
            base,
            int(definition["abstract"]),
            self._constraints(elements[0]),
            rows,
            self._pattern(root, value) if value else None,
        ]
        for parent, children in by_parent.items():
            element = elements[paths.index(parent)]
            self.types[parent] = [
                "backbone",
                element["type"][0]["code"],
                0,
                self._constraints(element),
                [self._element(child, parents) for child in children],
                None,
            ]

    def _constraints(self, element: Definition) -> list[int]:
        return [self.invariants.index(invariant(constraint)) for constraint in element.get("constraint", [])]

    def _pattern(self, name: str, value: Definition) -> list[Any]:
        kind = value["type"][0]
        regex = [item["valueString"] for item in kind.get("extension", []) if item["url"] == REGEX]
        return [
            type_name(value["path"], kind, False),
            LINEAR_PATTERNS.get(name, regex[0] if regex else None),
            value.get("maxLength"),
            value.get("minValueInteger"),
            value.get("maxValueInteger"),
        ]

    def _element(self, element: Definition, parents: set[str]) -> list[Any]:
        path: str = element["path"]
        name = path.rpartition(".")[2]
        link: str | None = element.get("contentReference", "").removeprefix("#") or None
        kinds = [type_name(element["base"]["path"], kind, False) for kind in element.get("type", [])]
        if path in parents:
            kinds = [path]
        if link:
            kinds = [link]
        bound = binding(element)
        flags = (
            (1 if name.endswith("[x]") else 0)
            | (2 if element.get("isSummary") else 0)
            | (4 if element["isModifier"] else 0)
            | (8 if element["base"]["max"] not in ("0", "1") else 0)
            | (16 if "xmlAttr" in element.get("representation", []) else 0)
            | (32 if link else 0)
        )
        row: list[Any] = [
            name.removesuffix("[x]"),
            kinds,
            element["min"],
            None if element["max"] == "*" else int(element["max"]),
            flags,
            self._constraints(element),
            None if bound is None else self.bindings.index(bound),
            self.targets.index(targets(element, "Reference")),
            self.targets.index(targets(element, "canonical")),
            sorted(
                {
                    profile.removeprefix(CORE)
                    for kind in element.get("type", [])
                    for profile in kind.get("profile", [])
                }
            ),
        ]
        absent: list[Any] = [None, self.targets.index([]), self.targets.index([]), []]
        while len(row) > 6 and row[-1] == absent[len(row) - 7]:
            row.pop()
        return row


def codes_of(value_set: Definition) -> dict[str, list[str]] | None:
    """Return the codes of an expansion by system, or None if it is not the whole set or may not be copied."""
    expansion = value_set["expansion"]
    limited = any(item["name"] == "limitedExpansion" for item in expansion.get("parameter", []))
    includes = value_set.get("compose", {}).get("include", [])
    listed = all("concept" in include for include in includes)
    iso_currency = value_set["url"] == "http://hl7.org/fhir/ValueSet/currencies"
    if (limited and not listed and not iso_currency) or value_set["url"] in OPEN_VALUE_SETS:
        return None
    found: dict[str, list[str]] = {}
    waiting = list(reversed(expansion.get("contains", [])))
    while waiting:
        entry = waiting.pop()
        if "code" in entry and not entry.get("abstract"):
            found.setdefault(entry["system"], []).append(entry["code"])
        waiting.extend(reversed(entry.get("contains", [])))
    if not found or LICENSED_SYSTEMS & set(found):
        return None
    return {system: sorted(set(codes)) for system, codes in sorted(found.items())}


def build(core: Path, expansions: Path) -> dict[str, Any]:
    """Return the whole table as one JSON document.

    Each type and each value set is a JSON text of its own inside it, so a reader parses only what it needs.
    """
    core_provenance, definitions = read_package(core)
    expansions_provenance, value_sets = read_package(expansions)
    structures = [one for one in definitions if one["resourceType"] == "StructureDefinition"]
    table = Table()
    for definition in structures:
        is_base = definition["kind"] != "logical" and definition.get("derivation") != "constraint"
        if is_base or definition["name"] in PROFILED_TYPES:
            table.add(definition)
    expanded = {
        one["url"]: codes for one in value_sets if "expansion" in one and (codes := codes_of(one)) is not None
    }
    reachable = list(table.invariants.values)
    for definition in structures:
        for element in definition.get("snapshot", {}).get("element", []):
            for constraint in element.get("constraint", []):
                if (said := invariant(constraint)) not in reachable:
                    reachable.append(said)
    return {
        "format": FORMAT,
        "fhir": core_provenance["version"],
        "packages": [core_provenance, expansions_provenance],
        "heads": {name: row[:3] for name, row in sorted(table.types.items())},
        "types": {name: compact(row[3:]) for name, row in sorted(table.types.items())},
        "invariants": compact(reachable),
        "bindings": table.bindings.values,
        "targets": table.targets.values,
        "value_sets": {url: compact(codes) for url, codes in sorted(expanded.items())},
    }


def compact(value: object) -> str:
    """Write JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def main() -> None:
    """Read the two packages named on the command line and write the table."""
    parser = argparse.ArgumentParser(description="Generate the R4 type table.")
    parser.add_argument("core", type=Path, help="hl7.fhir.r4.core.tgz")
    parser.add_argument("expansions", type=Path, help="hl7.fhir.r4.expansions.tgz")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    text = compact(build(arguments.core, arguments.expansions)) + "\n"
    packed = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_bytes(packed)
    print(f"{arguments.output}: {len(packed)} bytes, {len(text)} unpacked")


if __name__ == "__main__":
    main()
