"""Resources that point at each other: references, bundles and what is contained.

A reference is followed only to where the standard leads; nothing is fetched and nothing guessed. R4
bundle.html#references, references.html.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapter.fhir.types import r4

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Json, Resource
    from adapter.fhir.types import TypeDef

_RESTFUL = re.compile(
    r"(?P<root>https?://.+/)?(?P<target>(?P<type>[A-Z][A-Za-z]*)/(?P<id>[A-Za-z0-9\-.]{1,64}))"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)
"""R4 references.html: a literal reference to a resource on a RESTful server, absolute or relative."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a literal reference to a RESTful server leads."""

    type: str
    id: str
    version: str | None
    root: str | None
    """The base URL with its last slash; None for a relative reference."""

    @property
    def relative(self) -> str:
        """`Type/id`, without the version."""
        return f"{self.type}/{self.id}"


def target_of(reference: str) -> Target | None:
    """Take a literal reference apart: `Patient/1`, `https://x/fhir/Patient/1/_history/2`.

    None for anything else: `urn:uuid:…`, `#contained`, a search.
    """
    match = _RESTFUL.fullmatch(reference)
    if match is None or not r4().is_resource(match["type"]):
        return None
    return Target(match["type"], match["id"], match["version"], match["root"])


@dataclass(slots=True)
class BundleIndex:
    """The entries of one Bundle by what references call them. Make one, then resolve many."""

    bundle: Resource
    _by_url: dict[str, list[Resource]] = field(default_factory=dict)
    _by_name: dict[str, list[Resource]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for entry in entries(self.bundle):
            resource = entry.get("resource")
            if not isinstance(resource, dict):
                continue
            url, name = entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"
            if isinstance(url, str):
                self._by_url.setdefault(url, []).append(resource)
            self._by_name.setdefault(name, []).append(resource)

    def resolve(self, reference: str, base: str | None = None) -> Resource | None:
        """Return the resource of the Bundle that a reference names; None if there is none, or more than one.

        `base` is the fullUrl of the entry that holds the reference. A relative reference goes to the server
        of `base`; where that has no server (`urn:uuid:…`, none given), to the one entry of that type and id.
        """
        target = target_of(reference)
        version = target.version if target else None
        url = reference if version is None else reference.partition("/_history/")[0]
        found = self._by_url.get(url, [])
        if not found and target is not None and target.root is None:
            home = target_of(base) if base else None
            if home is not None and home.root is not None:
                found = self._by_url.get(home.root + target.relative, [])
            else:
                found = self._by_name.get(target.relative, [])
        if version is not None:
            found = [one for one in found if _version_of(one) == version]
        return found[0] if len(found) == 1 else None


def _version_of(resource: Resource) -> Json:
    meta = resource.get("meta")
    return meta.get("versionId") if isinstance(meta, dict) else None


def entries(bundle: Resource) -> Iterator[Resource]:
    """Yield the entries of a Bundle that are JSON objects."""
    found = bundle.get("entry")
    return (entry for entry in (found if isinstance(found, list) else ()) if isinstance(entry, dict))


def resolve(reference: str | Resource, bundle: Resource, base: str | None = None) -> Resource | None:
    """Return the resource of `bundle` that a reference names, as `BundleIndex.resolve` does.

    `reference` may be the Reference element itself. For more than a few references make one BundleIndex.
    """
    literal = reference.get("reference") if isinstance(reference, dict) else reference
    return BundleIndex(bundle).resolve(literal, base) if isinstance(literal, str) else None


def contained(resource: Resource, reference: str) -> Resource | None:
    """Return the contained resource that `#id` names; `#` alone is the resource itself."""
    if reference == "#":
        return resource
    inside = resource.get("contained")
    found = [
        one
        for one in (inside if isinstance(inside, list) else ())
        if isinstance(one, dict) and reference == f"#{one.get('id')}"
    ]
    return found[0] if len(found) == 1 else None


def references(resource: Resource) -> Iterator[tuple[str, Resource]]:
    """Yield FHIRPath and value of every Reference in a resource, those of resources inside it too.

    In order of the JSON. What R4 does not define is passed over.
    """
    name = resource.get("resourceType")
    definition = r4().type(name) if isinstance(name, str) else None
    if definition is not None:
        yield from _references(resource, definition, definition.name)


def _references(value: Resource, definition: TypeDef, path: str) -> Iterator[tuple[str, Resource]]:
    for key, inside in value.items():
        found = definition.properties.get(key.removeprefix("_"))
        if found is None:
            continue
        element, kind = found
        items = inside if isinstance(inside, list) else [inside]
        for index, item in enumerate(items):
            if isinstance(item, dict):
                step = f"{path}.{element.name}[{index}]" if element.is_list else f"{path}.{element.name}"
                if kind == "Reference":
                    yield step, item
                yield from _inside(item, kind, step)


def _inside(value: Json, kind: str, path: str) -> Iterator[tuple[str, Resource]]:
    table = r4()
    stated = value.get("resourceType") if table.is_a(kind, "Resource") else kind
    definition = table.type(stated) if isinstance(stated, str) else None
    if definition is not None:
        yield from _references(value, definition, path)
