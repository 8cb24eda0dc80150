"""How exact a value is: precision, boundaries. FHIRPath 2.1; R4 fhirpath.html for comparable()."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath import equality, numbers, temporal
from adapter.fhirpath.code import ANY_ONE, BOOLEAN, INTEGER, Code, single
from adapter.fhirpath.functions.arguments import is_number
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import said, system_one
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


def _edge(name: str, *, high: bool) -> None:
    @function(name, 0, 1)
    def build(site: Site) -> Code:
        target = site.input()
        source = system_one(target)
        digits = site.integer(0) if site.count else None

        def one(this: Item, run: Run) -> Item | None:
            item = source(this, run)
            if item is None:
                return None
            wanted = None if digits is None else digits(this, run)
            if isinstance(item, Temporal):
                return temporal.boundary(item, wanted, high=high)
            if isinstance(item, Quantity):
                value = numbers.boundary(item.value, wanted, high=high)
                return None if value is None else Quantity(value, item.unit, item.is_calendar)
            if is_number(item):
                return numbers.boundary(item, wanted, high=high)
            expected = "Decimal | Quantity | DateTime"
            raise site.fault("FP303", function=name, expected=expected, found=said(item))

        kind = system_of(target.static.only)
        known = {"Integer": "Decimal"}.get(kind or "", kind)
        return Code(single(f"System.{known}") if known else ANY_ONE, one=one)


_edge("lowBoundary", high=False)
_edge("highBoundary", high=True)


@function("precision")
def precision(site: Site) -> Code:
    """How many digits a number has after the point, or a date in all."""
    source = system_one(site.input())

    def one(this: Item, run: Run) -> Item | None:
        item = source(this, run)
        if item is None:
            return None
        if isinstance(item, Temporal):
            return item.digits
        if isinstance(item, Quantity):
            return numbers.precision(item.value)
        if is_number(item):
            return numbers.precision(item)
        raise site.fault("FP303", function="precision", expected="Decimal | DateTime", found=said(item))

    return Code(INTEGER, one=one)


@function("comparable", 1)
def comparable(site: Site) -> Code:
    """True if two quantities measure the same thing."""
    source, other = system_one(site.input()), system_one(site.argument(0))

    def one(this: Item, run: Run) -> bool | None:
        left, right = source(this, run), other(this, run)
        if left is None or right is None:
            return None
        if not (isinstance(left, Quantity) and isinstance(right, Quantity)):
            wrong = right if isinstance(left, Quantity) else left
            raise site.fault("FP303", function="comparable", expected="Quantity", found=said(wrong))
        return equality.is_comparable(left, right)

    return Code(BOOLEAN, one=one)
