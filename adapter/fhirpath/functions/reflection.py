"""Types as values and as filters. FHIRPath 2.0.0, "Types", "Reflection"."""

from __future__ import annotations

from adapter.fhir.types import r4
from adapter.fhirpath.code import Code, Static, boxed, mapped
from adapter.fhirpath.plain import type_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Member, Tree
from adapter.fhirpath.typetest import type_test
from adapter.fhirpath.values import TypeInfo


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
    @function(name, 1, takes_type=True)
    def build(site: Site) -> Code:
        return type_test(site.compilation, site.tree, site.target, specifier(site), name)


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
    static = Static(("System.TypeInfo",), is_single=site.target.static.is_single)
    return mapped(boxed(site.target), static, lambda item: info(type_of(item)))
