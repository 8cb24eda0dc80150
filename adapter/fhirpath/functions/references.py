"""Where references lead: resolve(). R4 fhirpath.html; R4 references.html."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.bundles import BundleIndex, entries
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
        known = run.memory[BUNDLE] = _Entries(root)
        run.charge(known.number)
    found = known.find(reference.partition("#")[0], resource)
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


class _Entries:
    """The resources of a Bundle, as references within it name them."""

    def __init__(self, root: Json) -> None:
        bundle = root if isinstance(root, dict) else {}
        self._index = BundleIndex(bundle)
        self._url_of = {id(entry.get("resource")): entry.get("fullUrl") for entry in entries(bundle)}
        self.number = len(self._url_of)

    def find(self, reference: str, holder: Json) -> Json | None:
        """Return what a reference in `holder` names; None if that is nothing, or more than one."""
        base = self._url_of.get(id(holder))
        return self._index.resolve(reference, base if isinstance(base, str) else None)
