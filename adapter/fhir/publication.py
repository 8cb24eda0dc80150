"""What a published FHIR package holds: its manifest, its index, a file for each resource, one canonical base.

Pure: resources in, names and bytes out. The format is that of the FHIR package registries (NPM):
`package/package.json`, one JSON resource a file, examples in `package/example`, and an index, version 2, in
each folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from adapter.errors import ConfigurationError
from adapter.fhir import json
from adapter.fhir.canonical import BASE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from adapter.fhir.json import Json, Resource

DEPENDENCIES = {
    "http://hl7.org/fhir/": ("hl7.fhir.r4.core", "4.0.1"),
    "https://hl7.fi/fhir/finnish-base-profiles/": ("hl7.fhir.fi.base", "2.0.0-rc2"),
}
"""The package that holds what a canonical begins with."""

INDEXED = (
    "resourceType",
    "id",
    "url",
    "version",
    "kind",
    "type",
    "supplements",
    "content",
    "valueSet",
    "derivation",
)
"""What an index repeats of each resource."""

_PACKAGE_NAME = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9][a-z0-9-]*)+")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?")
_CANONICAL = re.compile(r"https?://[^\s/|#]+(/[^\s/|#]+)*")
_NOT_IN_FILE = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One package as its publisher names it."""

    name: str = "silta.fhir"
    version: str
    canonical: str = BASE
    definitions: tuple[Resource, ...] = ()
    examples: Mapping[str, Resource] = field(default_factory=dict)
    """By a name that tells the example apart; the file is called after type and name."""

    def __post_init__(self) -> None:
        """Raise ConfigurationError FH308 for a name, version or canonical that no registry would take."""
        for given, pattern in (
            (self.name, _PACKAGE_NAME),
            (self.version, _VERSION),
            (self.canonical, _CANONICAL),
        ):
            if not pattern.fullmatch(given):
                raise ConfigurationError("FH308", params={"given": given})


def files(publication: Publication) -> dict[str, bytes]:
    """Return every file of the package by name, in order of name but the manifest first.

    Raises ConfigurationError FH309 if two definitions would have the same file.
    """
    named = rebased(publication)
    definitions = _named(f"{one['resourceType']}-{one['id']}.json" for one in named.definitions)
    content = dict(zip(definitions, named.definitions, strict=True))
    content[f"ImplementationGuide-{named.name}.json"] = guide(named)
    examples = dict(zip(example_files(named), named.examples.values(), strict=True))
    made = {f"package/{name}": _written(content[name]) for name in sorted(content)}
    made["package/.index.json"] = _written(index(content))
    for name in sorted(examples):
        made[f"package/example/{name}"] = _written(examples[name])
    if examples:
        made["package/example/.index.json"] = _written(index(examples))
    return {"package/package.json": _written(manifest(named)), **dict(sorted(made.items()))}


def rebased(publication: Publication) -> Publication:
    """Return the publication with every mention of our base under its canonical, and its version on all."""
    given = publication
    return replace(
        given,
        definitions=tuple(
            {**rewritten(one, given.canonical), "version": given.version}
            if str(one.get("url", "")).startswith(f"{BASE}/")
            else rewritten(one, given.canonical)
            for one in given.definitions
        ),
        examples={name: rewritten(one, given.canonical) for name, one in given.examples.items()},
    )


def rewritten(value: Json, canonical: str) -> Json:
    """Return a value with our canonical base replaced in every text: addresses, expressions, maps."""
    if isinstance(value, str):
        return _mention().sub(lambda _: canonical, value) if BASE in value else value
    if isinstance(value, dict):
        return {key: rewritten(inner, canonical) for key, inner in value.items()}
    if isinstance(value, list):
        return [rewritten(inner, canonical) for inner in value]
    return value


def _mention() -> re.Pattern[str]:
    return re.compile(re.escape(BASE) + r"(?![A-Za-z0-9-])")


def manifest(publication: Publication) -> dict[str, Any]:
    """Return `package.json`."""
    return {
        "name": publication.name,
        "version": publication.version,
        "tools-version": 3,
        "type": "IG",
        "license": "Apache-2.0",
        "canonical": publication.canonical,
        "title": "Silta: notifications, assessments and plans between patient systems",
        "description": "Profiles, terminology, maps and examples of procedure notifications, work-ability "
        "assessments and shared client plans.",
        "fhirVersions": ["4.0.1"],
        "dependencies": dependencies(publication),
        "author": "Silta",
        "directories": {"lib": "package", "example": "example"},
    }


def dependencies(publication: Publication) -> dict[str, str]:
    """Return the packages that the definitions speak of, with their versions."""
    mentioned = {text for one in publication.definitions for text in _texts(one)}
    return {
        name: version
        for prefix, (name, version) in DEPENDENCIES.items()
        if any(text.startswith(prefix) for text in mentioned)
    }


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def index(resources: Mapping[str, Resource]) -> dict[str, Any]:
    """Return `.index.json`, version 2, of the resources by file name."""
    rows = [
        {"filename": name, **{key: resource[key] for key in INDEXED if isinstance(resource.get(key), str)}}
        for name, resource in sorted(resources.items())
    ]
    return {"index-version": 2, "files": rows}


def guide(publication: Publication) -> Resource:
    """Return the ImplementationGuide that lists what is in the package."""
    named = {
        "resourceType": "ImplementationGuide",
        "id": publication.name,
        "url": f"{publication.canonical}/ImplementationGuide/{publication.name}",
        "version": publication.version,
        "name": "".join(part.capitalize() for part in re.split(r"[.-]", publication.name)),
        "title": "Silta",
        "status": "draft",
        "experimental": False,
        "publisher": "Silta",
        "packageId": publication.name,
        "license": "Apache-2.0",
        "fhirVersion": ["4.0.1"],
    }
    needs = [
        {
            "id": re.sub(r"[^a-z0-9]", "_", name),
            "uri": f"http://fhir.org/packages/{name}/ImplementationGuide/{name}",
            "packageId": name,
            "version": version,
        }
        for name, version in dependencies(publication).items()
        if name != "hl7.fhir.r4.core"
    ]
    listed = [
        {
            "reference": {"reference": f"{one['resourceType']}/{one['id']}"},
            "name": one.get("title") or one.get("name") or one["id"],
            **({"description": one["description"]} if one.get("description") else {}),
            "exampleBoolean": False,
        }
        for one in publication.definitions
    ]
    return {
        **named,
        **({"dependsOn": needs} if needs else {}),
        "definition": {"resource": sorted(listed, key=lambda one: str(one["reference"]["reference"]))},
    }


def example_files(publication: Publication) -> list[str]:
    """Return the file of each example, in their order."""
    return _named(
        f"{one['resourceType']}-{_NOT_IN_FILE.sub('-', name)}.json"
        for name, one in publication.examples.items()
    )


def _named(names: Iterable[str]) -> list[str]:
    found = list(names)
    for name in found:
        if found.count(name) > 1:
            raise ConfigurationError("FH309", params={"file": name})
    return found


def _written(value: Json) -> bytes:
    return json.write(value, pretty=True) + b"\n"
