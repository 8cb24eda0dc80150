"""Math functions. FHIRPath 2.0.0, "Math"; sum, min, max and avg of 3.0.0-ballot."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import equality, numbers
from adapter.fhirpath.code import DECIMAL, INTEGER, Code, Static, single
from adapter.fhirpath.operators import integer_of, said, system_many
from adapter.fhirpath.plain import system_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


def _number(site: Site, code: Code, *, or_quantity: bool = False) -> Callable[[Item, Run], Any]:
    """A closure that gives a number or nothing; another type is an error."""
    inner = site.system(code)
    types = code.static.types
    systems = None if types is None else {system_of(kind) for kind in types}
    wanted = {"Integer", "Decimal"} | ({"Quantity"} if or_quantity else set())
    if site.compiler.strict and systems and None not in systems and systems.isdisjoint(wanted):
        raise site.fault(
            "FP208", function=site.name, expected="Integer | Decimal", found=str(code.static.one)
        )

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None:
            return None
        if isinstance(item, (int, Decimal)) and not isinstance(item, bool):
            return item
        if or_quantity and isinstance(item, Quantity):
            return item
        raise site.fault("FP303", function=site.name, expected="Integer | Decimal", found=said(item))

    return one


def _of_number(name: str, static: Static, compute: Callable[[Any], Any]) -> None:
    @function(name)
    def build(site: Site) -> Code:
        source = _number(site, site.input())

        def one(this: Item, run: Run) -> Item | None:
            number = source(this, run)
            return None if number is None else compute(number)

        return Code(static, one=one)


_of_number("ceiling", INTEGER, numbers.ceiling)
_of_number("floor", INTEGER, numbers.floor)
_of_number("truncate", INTEGER, numbers.truncate)
_of_number("exp", DECIMAL, numbers.exponential)
_of_number("ln", DECIMAL, numbers.natural_logarithm)
_of_number("sqrt", DECIMAL, numbers.square_root)


@function("abs")
def absolute(site: Site) -> Code:
    """The value without its sign; of a quantity too."""
    target = site.input()
    source = _number(site, target, or_quantity=True)

    def one(this: Item, run: Run) -> Item | None:
        number = source(this, run)
        if isinstance(number, Quantity):
            return Quantity(number.value.copy_abs(), number.unit, number.is_calendar)
        if isinstance(number, Decimal):
            return number.copy_abs()
        return None if number is None else numbers.integer(abs(number))

    kind = system_of(target.static.only)
    return Code(single(f"System.{kind}") if kind else Static(None, is_single=True), one=one)


@function("round", 0, 1)
def rounded(site: Site) -> Code:
    """Rounded half away from zero, to so many places."""
    source = _number(site, site.input())
    places: Any = None
    if site.count:
        places = integer_of(site.compiler, site.value(0), site.tree.arguments[0], site.name)

    def one(this: Item, run: Run) -> Item | None:
        number = source(this, run)
        size = 0 if places is None else places(this, run)
        if number is None or size is None:
            return None
        if not 0 <= size <= 31:
            raise site.fault("FP309", function="round")
        return numbers.rounded(number, size)

    return Code(DECIMAL, one=one)


def _of_two_numbers(name: str, compute: Callable[[Any, Any], Any], static: Static) -> None:
    @function(name, 1)
    def build(site: Site) -> Code:
        source, other = _number(site, site.input()), _number(site, site.argument(0))

        def one(this: Item, run: Run) -> Item | None:
            number, second = source(this, run), other(this, run)
            return None if number is None or second is None else compute(number, second)

        return Code(static, one=one)


_of_two_numbers("log", numbers.logarithm, DECIMAL)
_of_two_numbers("power", numbers.power, Static(None, is_single=True))


def _gathered(name: str, compute: Callable[[Site, list[Any]], Any]) -> None:
    @function(name)
    def build(site: Site) -> Code:
        several = system_many(site.compiler, site.target)

        def one(this: Item, run: Run) -> Item | None:
            items = several(this, run)
            run.charge(len(items))
            return compute(site, items) if items else None

        return Code(Static(None, is_single=True), one=one)


def _sum(site: Site, items: list[Any]) -> Any:  # noqa: ANN401
    total: Any = items[0]
    if isinstance(total, bool) or not isinstance(total, (int, Decimal, Quantity)):
        raise site.fault("FP303", function=site.name, expected="Integer | Decimal", found=said(total))
    for item in items[1:]:
        if isinstance(total, Quantity) and isinstance(item, Quantity):
            other = equality.converted(item, total.unit)
            if other is None:
                return None
            total = Quantity(total.value + other.value, total.unit, total.is_calendar)
        elif all(isinstance(one, (int, Decimal)) and not isinstance(one, bool) for one in (total, item)):
            total = numbers.add(total, item)  # type: ignore[arg-type]
            if total is None:
                return None
        else:
            raise site.fault("FP303", function=site.name, expected="Integer | Decimal", found=said(item))
    return total


def _average(site: Site, items: list[Any]) -> Any:  # noqa: ANN401
    total = _sum(site, items)
    if isinstance(total, Quantity):
        value = numbers.divide(total.value, len(items))
        return None if value is None else Quantity(value, total.unit, total.is_calendar)
    return None if total is None else numbers.divide(total, len(items))


def _extreme(site: Site, items: list[Any], sign: int) -> Any:  # noqa: ANN401
    best = items[0]
    for item in items[1:]:
        try:
            found = equality.order(item, best)
        except equality.NotComparable:
            raise site.fault("FP311", function=site.name) from None
        if found is None:
            return None
        if found * sign > 0:
            best = item
    return best


_gathered("sum", _sum)
_gathered("avg", _average)
_gathered("min", lambda site, items: _extreme(site, items, -1))
_gathered("max", lambda site, items: _extreme(site, items, 1))
