"""Literals, compiled: values as they are written in an expression. FHIRPath 2.0.0, "Literals"."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from adapter.fhirpath.code import Code, constant
from adapter.fhirpath.temporal import parse_moment, parse_time
from adapter.fhirpath.tree import CALENDAR_UNITS, Literal, QuantityLiteral
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.values import Item

_READINGS: dict[str, tuple[Callable[[str], Item], str]] = {
    "boolean": (lambda text: text == "true", "System.Boolean"),
    "string": (str, "System.String"),
    "integer": (int, "System.Integer"),
    "decimal": (Decimal, "System.Decimal"),
}
"""What reads the text of a literal, and the type it gives."""


def literal(compilation: Compilation, tree: Literal) -> Code:
    """Compile a value. Raises Malformed FP104 for a date or time that is not a real one."""
    text = tree.text
    if tree.kind == "empty":
        return constant([], ())
    if tree.kind in _READINGS:
        read, kind = _READINGS[tree.kind]
        return constant([read(text)], (kind,))
    moment = parse_time(text) if tree.kind == "time" else parse_moment(text)
    if moment is None:
        raise compilation.fault("FP104", tree, literal=text)
    return constant([moment], (f"System.{moment.kind}",))


def quantity(tree: QuantityLiteral) -> Code:
    """Compile a number with a unit; a calendar word means the calendar in quotes too."""
    word = CALENDAR_UNITS.get(tree.unit)
    item = Quantity(Decimal(tree.value), word or tree.unit, is_calendar=word is not None)
    return constant([item], ("System.Quantity",))
