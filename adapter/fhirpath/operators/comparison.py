"""Order: `<`, `<=`, `>`, `>=`. FHIRPath 2.0.0, "Comparison"."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.code import BOOLEAN, Code, constant
from adapter.fhirpath.equality import NotComparable, order
from adapter.fhirpath.faults import malformed
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import at_most_one, measured, paired, said, system_one

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.tree import Binary
    from adapter.fhirpath.values import Item

_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FAMILIES = ({"String"}, {"Integer", "Decimal", "Quantity"}, {"Date", "DateTime"}, {"Time"})
"""Types that have an order among themselves."""
_NUMBERS = ("System.Integer", "System.Decimal")


def comparison(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `<`, `<=`, `>` or `>=`. Raises Malformed FP214 for types that have no order."""
    name = tree.operator
    if left.static.types == () or right.static.types == ():
        return constant([], ("System.Boolean",))
    first = system_one(at_most_one(compilation, tree.left, left, name))
    second = system_one(at_most_one(compilation, tree.right, right, name))
    kinds = system_of(left.static.only), system_of(right.static.only)
    if compilation.strict and None not in kinds and not _have_order(*kinds):
        raise compilation.fault("FP214", tree, operator=name, left=kinds[0], right=kinds[1])
    holds = _HOLDS[name]
    if kinds[0] == kinds[1] and left.static.only in _NUMBERS and right.static.only in _NUMBERS:
        return Code(BOOLEAN, one=paired(first, second, holds))
    text, offset = compilation.text, tree.place

    def compare(item: Item, other: Item) -> bool | None:
        try:
            found = order(item, other)
        except NotComparable:
            types = {"left": said(item), "right": said(other)}
            raise malformed("FP302", text, offset, operator=name, **types) from None
        return None if found is None else holds(found, 0)

    return Code(BOOLEAN, one=paired(measured(first), second, compare))


def _have_order(left: str | None, right: str | None) -> bool:
    return any(left in family and right in family for family in _FAMILIES)
