"""How each type is read from and written to XML, drawn from the type table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

from adapter.fhir.types import r4

if TYPE_CHECKING:
    from adapter.fhir.types import ElementDef

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
MOST_FINDINGS = 100
"""After so many, one document is given up: more would not help the sender."""

NUMERIC = {"System.Integer", "System.Decimal"}

Node: TypeAlias = Any
"""An element as the parser gives it; only `xml` knows the parser."""


def split(tag: str) -> tuple[str, str]:
    """Return namespace and local name of `{namespace}name`."""
    namespace, _, name = tag.rpartition("}")
    return namespace[1:], name


@dataclass(frozen=True, slots=True)
class Child:
    """How one child element of a type is read and written."""

    key: str
    """The JSON key, which is the XML name too."""
    element: ElementDef
    kind: str
    rank: int
    is_list: bool
    is_primitive: bool
    is_resource: bool
    is_xhtml: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """How a type is read and written."""

    children: dict[str, Child]
    """By JSON key."""
    tags: dict[str, Child]
    """By name with namespace."""
    attributes: dict[str, Child]
    system_type: str | None


@cache
def plan_of(name: str) -> Plan:
    """Return the plan of a type of the table."""
    table = r4()
    definition = table.type(name)
    if definition is None:
        raise KeyError(name)
    ranks = {element: rank for rank, element in enumerate(definition.elements)}
    children: dict[str, Child] = {}
    attributes: dict[str, Child] = {}
    for key, (element, kind) in definition.properties.items():
        kept = attributes if element.form == "attribute" else children
        kept[key] = Child(
            key=key,
            element=element,
            kind=kind,
            rank=ranks[element.name],
            is_list=element.is_list,
            is_primitive=table.is_primitive(kind),
            is_resource=table.is_a(kind, "Resource"),
            is_xhtml=element.form == "xhtml",
        )
    namespaces = {True: XHTML, False: FHIR}
    tags = {f"{{{namespaces[child.is_xhtml]}}}{key}": child for key, child in children.items()}
    return Plan(children, tags, attributes, definition.system_type)
