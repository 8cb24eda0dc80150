"""The functions that FHIR adds to read its elements. R4 fhirpath.html, "Additional functions"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhirpath.code import ANY, BOOLEAN, Code, Static, boxed
from adapter.fhirpath.functions.arguments import text
from adapter.fhirpath.narrative import faults_of
from adapter.fhirpath.navigate import read, read_sibling
from adapter.fhirpath.operands import system_many, system_values
from adapter.fhirpath.results import json_value
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item, Json


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
    code = system_values(site.target)
    several = code.many

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        return items[0] if len(items) == 1 and not isinstance(items[0], dict) else None

    return Code(code.static.one, one=one)


@function("htmlChecks")
def html_checks(site: Site) -> Code:
    """True if the narrative is XHTML of the parts FHIR allows, with some content. R4 txt-1, txt-2."""
    return _narrative(site)


@function("htmlChecks2")
def html_checks_2(site: Site) -> Code:
    """As htmlChecks(), under the name that later releases use."""
    return _narrative(site)


def _narrative(site: Site) -> Code:
    several = system_many(site.target)

    def one(this: Item, run: Run) -> bool | None:
        items = several(this, run)
        if not items:
            return None
        run.charge(sum(len(item) for item in items if isinstance(item, str)))
        return all(isinstance(item, str) and not any(faults_of(item)) for item in items)

    return Code(BOOLEAN, one=one)


@function("checkModifiers", 0, 32)
def check_modifiers(site: Site) -> Code:
    """The items, if they have no modifier extension but those named; else an error, FP310."""
    allowed = [text(site, site.argument(index)) for index in range(site.count)]
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        known = {part.strip() for one in allowed for part in (one(this, run) or "").split(",")}
        for item in items:
            found: list[Any] = []
            read(item, "modifierExtension", found)
            for one in found:
                value = json_value(one)
                if not isinstance(value, dict) or value.get("url") not in known:
                    raise site.fault("FP310")
        return items

    return Code(ANY, many=many)


@function("getResourceKey")
def get_resource_key(site: Site) -> Code:
    """`Type/id` of each resource. SQL on FHIR 2."""
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        values = [json_value(item) for item in several(this, run)]
        return [
            f"{value['resourceType']}/{value['id']}"
            for value in values
            if isinstance(value, dict) and "resourceType" in value and "id" in value
        ]

    return Code(Static(("System.String",)), many=many)
