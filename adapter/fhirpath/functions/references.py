"""Where references lead: resolve(). R4 fhirpath.html; R4 references.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.bundles import entries
from adapter.fhirpath.code import ANY, Code, boxed
from adapter.fhirpath.run import BUNDLE
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item, Json


@function("resolve", is_pure=False)
def resolve(site: Site) -> Code:
    """The resources that references point to: contained, in the Bundle, or by the resolve service."""
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        for item in several(this, run):
            reference = _reference(item)
            found = None if reference is None else find(reference, run)
            if found is not None:
                out.append(found)
        run.charge(len(out))
        return out

    return Code(ANY, many=many)


def _reference(item: Item) -> str | None:
    """The URL in a Reference, or in a uri, url or canonical."""
    value = item.value if item.__class__ is Element else item
    if isinstance(value, dict):
        value = value.get("reference")
    return value if isinstance(value, str) and value else None


def find(reference: str, run: Run) -> Json | None:
    """Find the resource that a reference means from where the run stands."""
    root = run.root.value if run.root.__class__ is Element else run.root
    resource = run.resource.value if run.resource.__class__ is Element else run.resource
    if reference.startswith("#"):
        return _contained(reference[1:], root, resource)
    known = run.memory.get(BUNDLE)
    if known is None:
        known = run.memory[BUNDLE] = _entries(root)
        run.charge(len(known))
    bare = reference.partition("/_history/")[0].partition("#")[0]
    found = known.get(reference) or known.get(bare)
    if found is None and run.services.resolve is not None:
        found = run.services.resolve(reference)
    return found


def _contained(name: str, root: Json, resource: Json) -> Json | None:
    """A contained resource by its id; `#` alone is the container itself."""
    if not name:
        return root
    for holder in (resource, root):
        contained = holder.get("contained") if isinstance(holder, dict) else None
        for one in contained if isinstance(contained, list) else ():
            if isinstance(one, dict) and one.get("id") == name:
                return one
    return None


def _entries(root: Json) -> dict[str, Json]:
    """The resources of a Bundle by fullUrl and by `Type/id`."""
    out: dict[str, Json] = {}
    for entry in entries(root) if isinstance(root, dict) else ():
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        url = entry.get("fullUrl")
        if isinstance(url, str):
            out.setdefault(url, resource)
        kind, name = resource.get("resourceType"), resource.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            out.setdefault(f"{kind}/{name}", resource)
    return out
