"""Many items into one. FHIRPath 2.0.0, "Aggregates"; sum, min, max and avg of 3.0.0-ballot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhirpath import equality, numbers
from adapter.fhirpath.code import ANY, ANY_ONE, Code, boxed, constant
from adapter.fhirpath.functions.arguments import is_number
from adapter.fhirpath.operands import said, system_many
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("aggregate", 1, 2)
def aggregate(site: Site) -> Code:
    """Gather the items into one result, `$total` so far and `$this` one after the other."""
    start = site.value(1) if site.count == 2 else constant([], ())
    body, uses_index = site.body(0, total=ANY)
    step = boxed(body).many
    begin = boxed(start).many
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        before = run.total
        run.total = begin(this, run)
        try:
            for item in run.counted(items) if uses_index else items:
                run.total = step(item, run)
                run.hold(len(run.total))
            return run.total
        finally:
            run.total = before

    return Code(ANY, many=many)


def _gathered(name: str, compute: Callable[[Site, list[Any]], Any]) -> None:
    @function(name)
    def build(site: Site) -> Code:
        several = system_many(site.target)

        def one(this: Item, run: Run) -> Item | None:
            items = several(this, run)
            run.charge(len(items))
            return compute(site, items) if items else None

        return Code(ANY_ONE, one=one)


def _sum(site: Site, items: list[Any]) -> Any:  # noqa: ANN401
    total: Any = items[0]
    if not (is_number(total) or isinstance(total, Quantity)):
        raise site.fault("FP303", function=site.name, expected="Integer | Decimal", found=said(total))
    for item in items[1:]:
        if isinstance(total, Quantity) and isinstance(item, Quantity):
            other = equality.converted(item, total.unit)
            if other is None:
                return None
            total = Quantity(total.value + other.value, total.unit, total.is_calendar)
        elif is_number(total) and is_number(item):
            total = numbers.add(total, item)
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
