"""Items as FHIR JSON again: what an expression gives to its caller."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhir.decimals import ExactDecimal
from adapter.fhirpath.numbers import written
from adapter.fhirpath.plain import UCUM
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.units import UCUM_OF_CALENDAR
from adapter.fhirpath.values import Element, Quantity, TypeInfo

if TYPE_CHECKING:
    from adapter.fhirpath.values import Item, Json


def json_value(item: Item) -> Json:
    """One item as JSON.

    A primitive that has extensions but no value gives the object that stands beside it. Dates and times
    are their text; a System quantity is a FHIR Quantity.
    """
    kind = item.__class__
    if kind is Element:
        return item.value if item.value is not None else item.sibling
    if kind is str or kind is bool or kind is int or kind is dict:
        return item
    if kind is Decimal:
        return ExactDecimal(written(item))
    if kind is Temporal:
        return str(item)
    if kind is Quantity:
        return _quantity(item)
    if kind is TypeInfo:
        return {"namespace": item.namespace, "name": item.name}
    return item


def json_values(items: list[Item]) -> list[Json]:
    """Every item as JSON."""
    return [json_value(item) for item in items]


def _quantity(item: Quantity) -> dict[str, Any]:
    code = UCUM_OF_CALENDAR[item.unit] if item.is_calendar else item.unit
    return {"value": ExactDecimal(written(item.value)), "unit": item.unit, "system": UCUM, "code": code}
