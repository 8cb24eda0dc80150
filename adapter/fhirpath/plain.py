"""FHIR values as the System values that operators and functions compute with.

R4 fhirpath.html, "Using FHIR types in expressions" and "Use of FHIR Quantity".
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.kinds import MOMENTS, QUANTITIES
from adapter.fhirpath.temporal import Temporal, parse_moment, parse_time
from adapter.fhirpath.units import CALENDAR_OF_UCUM
from adapter.fhirpath.values import Element, Item, Json, Quantity, TypeInfo

if TYPE_CHECKING:
    from collections.abc import Callable

UCUM = "http://unitsofmeasure.org"


def plain(item: Item) -> Item | None:
    """The System value of an item that tells its own type; elements with parts stay dicts.

    None for a primitive that has extensions but no value.
    """
    if item.__class__ is Element:
        return system_value(item.value, item.type)
    return Decimal(repr(item)) if item.__class__ is float else item


def system_value(value: Json, type_name: str | None) -> Item | None:
    """The System value of a FHIR value of a known type.

    A text that is not of its type's form, such as a date of `31.12.2020`, stays text.
    """
    if value is None or type_name is None:
        return value
    reading = _READINGS.get(type_name)
    return value if reading is None else reading(value)


def _number(value: Json) -> Item:
    if value.__class__ is int:
        return Decimal(value)
    return Decimal(repr(value)) if value.__class__ is float else value


def _date(value: Json) -> Item:
    moment = parse_moment(value) if isinstance(value, str) else None
    return value if moment is None else moment


def _moment(value: Json) -> Item:
    moment = parse_moment(value) if isinstance(value, str) else None
    if moment is None:
        return value
    return moment if moment.kind == "DateTime" else replace(moment, kind="DateTime")


def _time(value: Json) -> Item:
    moment = parse_time(value) if isinstance(value, str) else None
    return value if moment is None else moment


def quantity(value: Json) -> Item:
    """A FHIR Quantity as System.Quantity; unchanged if it has no number or a comparator.

    UCUM units of time become calendar words, as R4 says; a unit of another system, or none, counts by its
    code or text. R4 fhirpath.html, "Use of FHIR Quantity".
    """
    if not isinstance(value, dict) or "comparator" in value:
        return value
    amount = value.get("value")
    if not isinstance(amount, (int, Decimal, float)) or isinstance(amount, bool):
        return value
    number = _number(amount)
    code = value.get("code")
    if not isinstance(code, str):
        unit = value.get("unit")
        return Quantity(number, unit if isinstance(unit, str) else "1")
    if value.get("system") == UCUM and code in CALENDAR_OF_UCUM and code in ("a", "mo"):
        return Quantity(number, CALENDAR_OF_UCUM[code], is_calendar=True)
    return Quantity(number, code)


_READINGS: dict[str, Callable[[Any], Item]] = {
    "decimal": _number,
    "date": _date,
    **dict.fromkeys(MOMENTS - {"date"}, _moment),
    "time": _time,
    **dict.fromkeys(QUANTITIES, quantity),
}


def reading(type_name: str) -> Callable[[Any], Item] | None:
    """What turns a value of this FHIR type into its System value; None if it is that already."""
    return _READINGS.get(type_name)


def type_of(item: Item) -> str | None:
    """The type of an item that tells its own: `Patient`, `System.String`; None of a tree of no known type."""
    kind = item.__class__
    if kind is Element:
        return item.type  # type: ignore[no-any-return]
    known = _CLASSES.get(kind)
    if known is not None:
        return known
    if kind is Temporal:
        return f"System.{item.kind}"
    if isinstance(item, dict):
        name = item.get("resourceType")
        return name if isinstance(name, str) else getattr(item, "type", None)
    if isinstance(item, Decimal):
        return "System.Decimal"
    return "System.String" if isinstance(item, str) else None


_CLASSES: dict[type, str] = {
    str: "System.String",
    bool: "System.Boolean",
    int: "System.Integer",
    Decimal: "System.Decimal",
    float: "System.Decimal",
    Quantity: "System.Quantity",
    TypeInfo: "System.TypeInfo",
}
