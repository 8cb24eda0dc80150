"""What only the caller can say of terminology and profiles. R4 fhirpath.html, "Additional functions"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.types import r4
from adapter.fhirpath.code import ANY, BOOLEAN, Code, boxed
from adapter.fhirpath.functions.arguments import text
from adapter.fhirpath.plain import type_of
from adapter.fhirpath.results import json_value, json_values
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

_DEFINITIONS = "http://hl7.org/fhir/StructureDefinition/"


@function("memberOf", 1, 2, is_pure=False)
def member_of(site: Site) -> Code:
    """True if the code is in a value set."""
    source, canonical = boxed(site.input()).one, text(site, site.argument(0))

    def one(this: Item, run: Run) -> bool | None:
        item, wanted = source(this, run), canonical(this, run)
        if item is None or wanted is None:
            return None
        asked = run.services.member_of
        if asked is None:
            raise site.missing("terminology")
        return asked(json_value(item), wanted)

    return Code(BOOLEAN, one=one)


@function("conformsTo", 1, is_pure=False)
def conforms_to(site: Site) -> Code:
    """True if the input conforms to a profile. The types of R4 itself need no service."""
    source, canonical = boxed(site.input()).one, text(site, site.argument(0))
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
    @function(name, 1, is_pure=False)
    def build(site: Site) -> Code:
        source = boxed(site.input()).one
        other = boxed(site.argument(0)).one

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


@function("elementDefinition", is_pure=False)
def element_definition(site: Site) -> Code:
    """The definition of each element."""
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        asked = run.services.element_definition
        if asked is None:
            raise site.missing("profiles")
        found = [asked(json_value(item)) for item in several(this, run)]
        return [Element(one, "ElementDefinition") for one in found if one is not None]

    return Code(ANY, many=many)


@function("slice", 2, is_pure=False)
def slice_(site: Site) -> Code:
    """The items that belong to a slice of a profile."""
    several = boxed(site.target).many
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
