"""Sums of quantities: `+`, `-`, `*` and `/` of numbers that have units.

None where there is no answer: unlike units, a product that overflows.
FHIRPath 2.0.0, "Math", "Date/Time Arithmetic"; UCUM 2.1.
"""

from __future__ import annotations

from decimal import Decimal

from adapter.fhirpath import numbers, units
from adapter.fhirpath.equality import converted
from adapter.fhirpath.values import Quantity


def negated(value: Quantity) -> Quantity:
    """The quantity with its sign turned."""
    return Quantity(Decimal(numbers.negated(value.value) or 0), value.unit, value.is_calendar)


def add(left: Quantity, right: Quantity) -> Quantity | None:
    """`+`, in the unit of the left one."""
    other = _in_unit_of(left, right)
    return None if other is None else _like(left, numbers.add(left.value, other.value))


def subtract(left: Quantity, right: Quantity) -> Quantity | None:
    """`-`, in the unit of the left one."""
    other = _in_unit_of(left, right)
    return None if other is None else _like(left, numbers.subtract(left.value, other.value))


def _in_unit_of(left: Quantity, right: Quantity) -> Quantity | None:
    same = left.unit == right.unit and left.is_calendar == right.is_calendar
    return right if same else converted(right, left.unit)


def _like(model: Quantity, value: numbers.Number | None) -> Quantity | None:
    return None if value is None else Quantity(Decimal(value), model.unit, model.is_calendar)


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """`*`, in the product of the units."""
    value = numbers.multiply(left.value, right.value)
    return None if value is None else Quantity(Decimal(value), _product(left.unit, right.unit))


def _product(left: str, right: str) -> str:
    if left == "1":
        return right
    if right == "1":
        return left
    return f"{left}2" if left == right and left.isalpha() else f"{left}.{right}"


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """`/`, in the quotient of the units; a bare number of two that measure the same."""
    one, other = Quantity(left.value, _ucum(left)), Quantity(right.value, _ucum(right))
    alike = other if one.unit == other.unit else None
    if alike is None and other.unit != "1":
        alike = converted(other, one.unit)
    value = numbers.divide(one.value, (alike or other).value)
    if value is None:
        return None
    if alike is not None:
        return Quantity(value, "1")
    if other.unit == "1":
        return Quantity(value, left.unit, left.is_calendar)
    below = f"({other.unit})" if "." in other.unit or "/" in other.unit else other.unit
    return Quantity(value, f"{'' if one.unit == '1' else one.unit}/{below}")


def _ucum(quantity: Quantity) -> str:
    return units.UCUM_OF_CALENDAR[quantity.unit] if quantity.is_calendar else quantity.unit


def calendar_word(amount: Quantity) -> str | None:
    """The calendar unit a date can be moved by; None if the quantity has none.

    UCUM units up to weeks mean the same as the calendar's; its years and months do not.
    """
    if amount.is_calendar:
        return amount.unit
    return None if amount.unit in ("a", "mo") else units.CALENDAR_OF_UCUM.get(amount.unit)
