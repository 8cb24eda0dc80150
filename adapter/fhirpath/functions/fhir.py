"""The functions that FHIR adds. R4 fhirpath.html, "Additional functions"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhir.types import r4
from adapter.fhirpath.code import ANY, BOOLEAN, Code, Static
from adapter.fhirpath.functions.strings import text
from adapter.fhirpath.narrative import faults_of
from adapter.fhirpath.navigate import read, read_sibling
from adapter.fhirpath.operators import system_many
from adapter.fhirpath.plain import type_of
from adapter.fhirpath.results import json_value, json_values
from adapter.fhirpath.run import BUNDLE
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item, Json

_DEFINITIONS = "http://hl7.org/fhir/StructureDefinition/"


@function("extension", 1)
def extension(site: Site) -> Code:
    """The extensions with a url, of elements and of primitives alike."""
    url = text(site, site.argument(0))
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        wanted = url(this, run)
        out: list[Item] = []
        if wanted is None:
            return out
        for item in several(this, run):
            for found in _extensions(item):
                if isinstance(found, dict) and found.get("url") == wanted:
                    out.append(found)
        run.charge(len(out))
        return out

    return Code(Static(("Extension",), is_ordered=site.target.static.is_ordered), many=many)


def _extensions(item: Item) -> list[Json]:
    """The extensions of one item: of a primitive, those beside it."""
    if item.__class__ is Element:
        if item.sibling is not None:
            beside: list[Item] = []
            read_sibling(item.sibling, "extension", beside)
            return [one.value for one in beside]
        value = item.value
    else:
        value = item
    found = value.get("extension") if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


@function("hasValue")
def has_value(site: Site) -> Code:
    """True if the input is one primitive that has a value, not extensions alone."""
    several = site.target.many

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        return len(items) == 1 and _value_of(items[0]) is not None

    return Code(BOOLEAN, one=one)


def _value_of(item: Item) -> Json:
    value = item.value if item.__class__ is Element else item
    return None if isinstance(value, (dict, list)) else value


@function("getValue")
def get_value(site: Site) -> Code:
    """The value of one primitive; nothing for anything else."""
    code = site.compiler.unwrapped(site.target)
    several = code.many

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        return items[0] if len(items) == 1 and not isinstance(items[0], dict) else None

    return Code(code.static.one, one=one)


@function("resolve")
def resolve(site: Site) -> Code:
    """The resources that references point to: contained, in the Bundle, or by the resolve service."""
    several = site.compiler.boxed(site.target).many

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
    entries = root.get("entry") if isinstance(root, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        url = entry.get("fullUrl")
        if isinstance(url, str):
            out.setdefault(url, resource)
        kind, name = resource.get("resourceType"), resource.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            out.setdefault(f"{kind}/{name}", resource)
    return out


@function("htmlChecks")
def html_checks(site: Site) -> Code:
    """True if the narrative is XHTML of the parts FHIR allows, with some content. R4 txt-1, txt-2."""
    return _narrative(site)


@function("htmlChecks2")
def html_checks_2(site: Site) -> Code:
    """As htmlChecks(), under the name that later releases use."""
    return _narrative(site)


def _narrative(site: Site) -> Code:
    several = system_many(site.compiler, site.target)

    def one(this: Item, run: Run) -> bool | None:
        items = several(this, run)
        if not items:
            return None
        run.charge(sum(len(item) for item in items if isinstance(item, str)))
        return all(isinstance(item, str) and not any(faults_of(item)) for item in items)

    return Code(BOOLEAN, one=one)


def _asks(name: str, service: str, label: str) -> None:
    """Enter a function that asks a service about the input and a canonical."""

    @function(name, 1, 2)
    def build(site: Site) -> Code:
        source, canonical = site.compiler.boxed(site.input()).one, text(site, site.argument(0))

        def one(this: Item, run: Run) -> bool | None:
            item, wanted = source(this, run), canonical(this, run)
            if item is None or wanted is None:
                return None
            asked: Callable[[Json, str], bool | None] | None = getattr(run.services, service)
            if asked is None:
                raise site.missing(label)
            return asked(json_value(item), wanted)

        return Code(BOOLEAN, one=one)


_asks("memberOf", "member_of", "terminology")


@function("conformsTo", 1)
def conforms_to(site: Site) -> Code:
    """True if the input conforms to a profile. The types of R4 itself need no service."""
    source, canonical = site.compiler.boxed(site.input()).one, text(site, site.argument(0))
    table = r4()

    def one(this: Item, run: Run) -> bool | None:
        item, wanted = source(this, run), canonical(this, run)
        if item is None or wanted is None:
            return None
        asked = run.services.conforms_to
        if asked is not None:
            return asked(json_value(item), wanted)
        name = wanted.partition("|")[0].removeprefix(_DEFINITIONS)
        if not wanted.startswith(_DEFINITIONS) or table.type(name) is None:
            raise site.missing("profiles")
        return table.is_a(type_of(item) or "", name)

    return Code(BOOLEAN, one=one)


def _subsumption(name: str, *, is_reversed: bool) -> None:
    @function(name, 1)
    def build(site: Site) -> Code:
        source = site.compiler.boxed(site.input()).one
        other = site.compiler.boxed(site.argument(0)).one

        def one(this: Item, run: Run) -> bool | None:
            left, right = source(this, run), other(this, run)
            if left is None or right is None:
                return None
            if run.services.subsumes is None:
                raise site.missing("terminology")
            pair = json_value(left), json_value(right)
            return run.services.subsumes(*(reversed(pair) if is_reversed else pair))

        return Code(BOOLEAN, one=one)


_subsumption("subsumes", is_reversed=False)
_subsumption("subsumedBy", is_reversed=True)


@function("elementDefinition")
def element_definition(site: Site) -> Code:
    """The definition of each element."""
    several = site.compiler.boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        asked = run.services.element_definition
        if asked is None:
            raise site.missing("profiles")
        found = [asked(json_value(item)) for item in several(this, run)]
        return [Element(one, "ElementDefinition") for one in found if one is not None]

    return Code(ANY, many=many)


@function("slice", 2)
def slice_(site: Site) -> Code:
    """The items that belong to a slice of a profile."""
    several = site.compiler.boxed(site.target).many
    structure, label = text(site, site.argument(0)), text(site, site.argument(1))

    def many(this: Item, run: Run) -> list[Item]:
        url, name = structure(this, run), label(this, run)
        if url is None or name is None:
            return []
        if run.services.slice is None:
            raise site.missing("profiles")
        items = several(this, run)
        by_value = {id(json_value(item)): item for item in items}
        return [by_value.get(id(one), one) for one in run.services.slice(json_values(items), url, name)]

    return Code(ANY, many=many)


@function("checkModifiers", 0, 32)
def check_modifiers(site: Site) -> Code:
    """The items, if they have no modifier extension but those named; else an error, FP310."""
    allowed = [text(site, site.argument(index)) for index in range(site.count)]
    several = site.compiler.boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        known = {part.strip() for one in allowed for part in (one(this, run) or "").split(",")}
        for item in items:
            found: list[Any] = []
            read(item, "modifierExtension", found)
            for one in found:
                if json_value(one).get("url") not in known:
                    raise site.fault("FP310")
        return items

    return Code(Static(None), many=many)


@function("getResourceKey")
def get_resource_key(site: Site) -> Code:
    """`Type/id` of each resource. SQL on FHIR 2."""
    several = site.compiler.boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        values = [json_value(item) for item in several(this, run)]
        return [
            f"{value['resourceType']}/{value['id']}"
            for value in values
            if isinstance(value, dict) and "resourceType" in value and "id" in value
        ]

    return Code(Static(("System.String",)), many=many)
