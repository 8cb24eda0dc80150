"""Types as values and as filters. FHIRPath 2.0.0, "Types", "Reflection"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.types import r4
from adapter.fhirpath.code import Code, Static
from adapter.fhirpath.plain import type_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Member, Tree
from adapter.fhirpath.values import TypeInfo

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


def specifier(site: Site) -> str:
    """Read an argument that names a type: `Patient`, `FHIR.Patient`. Raises Malformed FP206."""
    argument: Tree = site.tree.arguments[0]
    if isinstance(argument, Member):
        target = argument.target
        if target is None:
            return argument.name
        if isinstance(target, Member) and target.target is None:
            return f"{target.name}.{argument.name}"
    raise site.fault("FP206", argument, function=site.name)


def _typed(name: str) -> None:
    @function(name, 1)
    def build(site: Site) -> Code:
        return site.compiler.type_test(site.tree, site.target, specifier(site), name)


for _name in ("is", "as", "ofType"):
    _typed(_name)


def info(name: str | None) -> TypeInfo:
    """Describe a type by its name in the table; a backbone is an element without a name of its own."""
    if name is None:
        return TypeInfo("System", "Any")
    if name.startswith("System."):
        return TypeInfo("System", name[7:])
    definition = r4().type(name)
    if definition is not None and definition.kind == "backbone":
        return TypeInfo("FHIR", definition.base or "BackboneElement")
    return TypeInfo("FHIR", name)


@function("type")
def type_(site: Site) -> Code:
    """What type each item is of: `namespace` and `name`."""
    target = site.compiler.boxed(site.target)
    static = Static(("System.TypeInfo",), is_single=target.static.is_single)
    if target.is_scalar:
        inner = target.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return None if item is None else info(type_of(item))

        return Code(static, one=one)
    several = target.many
    return Code(static, many=lambda this, run: [info(type_of(item)) for item in several(this, run)])
