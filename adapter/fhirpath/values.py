"""What an expression computes with: items of a collection.

An item is a plain value of JSON (a resource or element as dict, a string, a boolean, a number), or one of
the few things JSON has no shape for: an `Element` that must carry its FHIR type or the extensions beside
it, a date or time, a quantity, a description of a type. Plain values are the fast path; they are wrapped
only where the type could not be known from the place they were found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from decimal import Decimal

Json = Any
"""A value of JSON: dict, list, str, bool, int, Decimal."""
Item = Any
"""A Json that is no list, or an Element, Temporal, Quantity or TypeInfo."""


class Element:
    """A value of FHIR that knows its type, and the `_name` object that stands beside a primitive.

    `value` is None if the primitive has only an id or extensions. `type` is a name of the type table, or
    None if nobody knows.
    """

    __slots__ = ("sibling", "type", "value")

    def __init__(self, value: Json, type: str | None, sibling: dict[str, Json] | None = None) -> None:
        self.value = value
        self.type = type
        self.sibling = sibling

    def __repr__(self) -> str:
        return f"Element(type={self.type!r})"


# Not frozen: that would make each one three times as slow to create. Nothing changes one.
@dataclass(slots=True, unsafe_hash=True)
class Quantity:
    """A number with a unit. A calendar unit is the singular word (`month`), another a UCUM code."""

    value: Decimal
    unit: str
    is_calendar: bool = False


# Not frozen: that would make each one three times as slow to create. Nothing changes one.
@dataclass(slots=True, unsafe_hash=True)
class TypeInfo:
    """What `type()` gives. FHIRPath 2.0.0, "Reflection"."""

    namespace: str
    name: str
