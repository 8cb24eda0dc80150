"""Equality as FHIR means it: fixed values to the letter, patterns as a part. R4 ElementDefinition."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapter.fhir.json import Json

from decimal import Decimal, InvalidOperation


def equal(value: Json, fixed: Json) -> bool:
    """Return True if `value` is exactly `fixed`: same keys, same order, numbers by amount."""
    if isinstance(fixed, dict):
        return (
            isinstance(value, dict)
            and value.keys() == fixed.keys()
            and all(equal(value[key], fixed[key]) for key in fixed)
        )
    if isinstance(fixed, list):
        return (
            isinstance(value, list)
            and len(value) == len(fixed)
            and all(equal(one, other) for one, other in zip(value, fixed, strict=True))
        )
    return same(value, fixed)


def fits(value: Json, pattern: Json) -> bool:
    """Return True if all that `pattern` holds is in `value`; each item of a list in some item."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and fits(value[key], part) for key, part in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(fits(one, part) for one in value) for part in pattern)
    return same(value, pattern)


def same(value: Json, other: Json) -> bool:
    """Return True if two primitive values are the same; a number equals a number of the same amount."""
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    if _is_number(value) and _is_number(other):
        return number(value) == number(other)
    return type(value) is type(other) and bool(value == other)


def number(value: Json) -> Decimal | None:
    """Return a JSON number as a Decimal, None for anything else."""
    if not _is_number(value):
        return None
    try:
        return Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    except InvalidOperation:
        return None


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
