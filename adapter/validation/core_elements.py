"""Elements of the core as ElementDefinitions, made from the type table: all of the standard but its prose.

What a snapshot inherits: cardinality, types and targets, binding, invariants with their source, modifier,
summary, and the element that everything comes from (`base`). R4 ElementDefinition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation.profiles import CORE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.fhir.types import ElementDef, Invariant, TypeTable
    from adapter.validation.tree import Definition

SYSTEM = "http://hl7.org/fhirpath/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
ANY = "Resource"


def root(type_name: str, types: TypeTable) -> Definition:
    """Return the definition of a type's root, without id and path. Raises KeyError if R4 has no such type."""
    definition = types.type(type_name)
    if definition is None:
        raise KeyError(type_name)
    return {
        "definition": f"{type_name} of FHIR R4.",
        "min": 0,
        "max": "*",
        "base": {"path": type_name, "min": 0, "max": "*"},
        **_invariants(definition.constraints, (type_name,), types),
        "isModifier": False,
    }


def element(owner: str, stated: ElementDef, types: TypeTable) -> Definition:
    """Return the definition of one element of the type `owner`, without id and path."""
    made: dict[str, Any] = {
        "definition": f"{stated.path} of FHIR R4.",
        "min": stated.min,
        "max": _most(stated),
        "base": _base(owner, stated, types),
    }
    if stated.form == "attribute":
        made["representation"] = ["xmlAttr"]
    if stated.is_content_reference:
        defined = stated.types[0]
        made["contentReference"] = f"{CORE}{defined.partition('.')[0]}#{defined}"
    else:
        made["type"] = [kind(stated, name, types) for name in stated.types]
    made.update(_invariants(stated.constraints, (owner, *stated.types), types))
    made["isModifier"] = stated.is_modifier
    if stated.is_modifier:
        made["isModifierReason"] = (
            "FHIR R4 says of it that it may change the meaning of what stands around it."
        )
    made["isSummary"] = stated.is_summary
    if stated.binding is not None:
        made["binding"] = {"strength": stated.binding.strength, "valueSet": stated.binding.value_set}
    return made


def kind(stated: ElementDef, name: str, types: TypeTable) -> Definition:
    """Return one ElementDefinition.type. Values of primitives and of XML attributes have FHIRPath's types."""
    if name.startswith("System."):
        return {"code": SYSTEM + name}
    if stated.form == "attribute" or stated.path.endswith("Resource.id") or _is_resource_id(stated, types):
        return {
            "extension": [{"url": FHIR_TYPE, "valueUrl": name}],
            "code": f"{SYSTEM}System.String",
        }
    if "." in name:
        definition = types.type(name)
        return {"code": (definition.base if definition is not None else None) or "BackboneElement"}
    made: dict[str, Any] = {"code": name}
    if name == "Reference" and stated.targets:
        made["targetProfile"] = [CORE + target for target in stated.targets]
    if name == "canonical" and stated.canonical_targets:
        made["targetProfile"] = [CORE + target for target in stated.canonical_targets]
    profiles = [one for one in stated.profiles if types.is_a(one, name)]
    if profiles:
        made["profile"] = [CORE + profile for profile in profiles]
    return made


def _is_resource_id(stated: ElementDef, types: TypeTable) -> bool:
    return stated.name == "id" and types.is_a(stated.path.partition(".")[0], "Resource")


def _most(stated: ElementDef) -> str:
    return "*" if stated.max is None else str(stated.max)


def _base(owner: str, stated: ElementDef, types: TypeTable) -> Definition:
    """Return where an element comes from: the farthest type above that has it."""
    name, first, origin = stated.name, owner, stated
    for ancestor in types.ancestors(owner):
        definition = types.type(ancestor)
        found = definition.elements.get(name) if definition is not None else None
        if found is not None:
            first, origin = ancestor, found
    step = name + ("[x]" if origin.is_choice else "")
    return {"path": f"{first}.{step}", "min": origin.min, "max": _most(origin)}


def _invariants(
    constraints: Iterable[Invariant], owners: tuple[str, ...], types: TypeTable
) -> dict[str, list[Definition]]:
    stated = [
        {
            "key": one.key,
            "severity": one.severity,
            "human": one.human,
            "expression": one.expression,
            "source": CORE + _source(one.key, owners, types),
        }
        for one in constraints
    ]
    return {"constraint": stated} if stated else {}


def _source(key: str, owners: tuple[str, ...], types: TypeTable) -> str:
    """Return the type that an invariant comes from: the farthest above whose own rule it is."""
    found = owners[0].partition(".")[0]
    for owner in owners:
        for ancestor in types.ancestors(owner):
            definition = types.type(ancestor)
            if definition is not None and any(one.key == key for one in definition.constraints):
                found = ancestor.partition(".")[0]
    return found
