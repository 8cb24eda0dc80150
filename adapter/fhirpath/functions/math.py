"""Math functions. FHIRPath 2.0.0, "Math"; sum, min, max and avg of 3.0.0-ballot."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from adapter.fhirpath import numbers
from adapter.fhirpath.code import DECIMAL, INTEGER, Code, Static, single
from adapter.fhirpath.functions.arguments import number, number_or_quantity, of_input, of_two
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


of_input("ceiling", number, INTEGER, numbers.ceiling)
of_input("floor", number, INTEGER, numbers.floor)
of_input("truncate", number, INTEGER, numbers.truncate)
of_input("exp", number, DECIMAL, numbers.exponential)
of_input("ln", number, DECIMAL, numbers.natural_logarithm)
of_input("sqrt", number, DECIMAL, numbers.square_root)
of_two("log", number, DECIMAL, numbers.logarithm)
of_two("power", number, Static(None, is_single=True), numbers.power)


@function("abs")
def absolute(site: Site) -> Code:
    """The value without its sign; of a quantity too."""
    target = site.input()
    source = number_or_quantity(site, target)

    def one(this: Item, run: Run) -> Item | None:
        item = source(this, run)
        if isinstance(item, Quantity):
            return Quantity(item.value.copy_abs(), item.unit, item.is_calendar)
        if isinstance(item, Decimal):
            return item.copy_abs()
        return None if item is None else numbers.integer(abs(item))

    kind = system_of(target.static.only)
    return Code(single(f"System.{kind}") if kind else Static(None, is_single=True), one=one)


@function("round", 0, 1)
def rounded(site: Site) -> Code:
    """Rounded half away from zero, to so many places."""
    source = number(site, site.input())
    places = site.integer(0) if site.count else None

    def one(this: Item, run: Run) -> Item | None:
        item = source(this, run)
        size = 0 if places is None else places(this, run)
        if item is None or size is None:
            return None
        if not 0 <= size <= 31:
            raise site.fault("FP309", function="round")
        return numbers.rounded(item, size)

    return Code(DECIMAL, one=one)
