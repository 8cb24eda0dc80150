"""What the type table knows of a value's type: which others it is, and what FHIRPath computes it as.

A type is named as everywhere in this room: `Patient`, `dateTime`, `System.DateTime`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from adapter.fhir.types import r4

if TYPE_CHECKING:
    from adapter.fhir.types import ElementDef

MOMENTS = frozenset({"date", "dateTime", "instant"})
QUANTITIES = frozenset(
    {"Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"}
)
SYSTEM_NAMES = frozenset(
    {"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "TypeInfo", "Any"}
)
_STRINGS = (
    "string", "code", "id", "markdown", "uri", "url", "canonical", "oid", "uuid", "base64Binary", "xhtml",
)  # fmt: skip
_SYSTEM_OF = {
    "boolean": "Boolean",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), "Integer"),
    **dict.fromkeys(_STRINGS, "String"),
    **dict.fromkeys(QUANTITIES, "Quantity"),
}
"""The System type that a FHIR type turns into. R4 fhirpath.html."""


def system_of(type_name: str | None) -> str | None:
    """The System type, without its namespace, that a type computes as; None of one with parts."""
    if type_name is None:
        return None
    return type_name[7:] if type_name.startswith("System.") else _SYSTEM_OF.get(type_name)


def own_type(element: ElementDef, type_name: str) -> str:
    """The type of a value at `element`; the ids that R4 types as FHIRPath strings are FHIR ones here."""
    if not type_name.startswith("System."):
        return type_name
    return "id" if element.name == "id" and _holds_resource(element.path) else "string"


def _holds_resource(path: str) -> bool:
    definition = r4().type(path.partition(".")[0])
    return definition is not None and definition.kind == "resource" and path.count(".") == 1


@lru_cache(maxsize=1_024)
def is_self_telling(type_name: str) -> bool:
    """True if a value of the type names it itself: a resource, or a System type."""
    if type_name.startswith("System."):
        return True
    definition = r4().type(type_name)
    return definition is not None and definition.kind == "resource"


@lru_cache(maxsize=1_024)
def is_leaf(type_name: str) -> bool:
    """True if no other type specialises this one."""
    table = r4()
    return not any(name != type_name and table.is_a(name, type_name) for name in table.names())


def is_open(type_name: str) -> bool:
    """True of an abstract type: items of it may have elements it does not name."""
    definition = r4().type(type_name)
    return definition is not None and definition.abstract


def is_of(kind: str | None, types: tuple[str, ...], *, exact: bool = False) -> bool:
    """True if a value of type `kind` is of one of `types`.

    With `exact`, a primitive must be of the very type: R4's own tests take `code` for a string in `is`
    but not in `as` and `ofType`.
    """
    if kind is None:
        return False
    if kind in types:
        return True
    if kind.startswith("System."):
        return "System.Any" in types
    table = r4()
    for wanted in types:
        if table.is_a(kind, wanted):
            return not (exact and table.is_primitive(kind))
    return False
