"""What functions read their input and arguments as: text, numbers, dates; and functions of these alone."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath.code import Code, Static
from adapter.fhirpath.kinds import is_open, system_of
from adapter.fhirpath.operands import paired, said, system_one
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.operands import ScalarClosure
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

    Reading = Callable[[Site, Code], ScalarClosure]

_NUMBERS = frozenset({"Integer", "Decimal"})


def system(_site: Site, code: Code) -> ScalarClosure:
    """A closure that gives a System value of any type."""
    return system_one(code)


def text(site: Site, code: Code) -> ScalarClosure:
    """A closure that gives a string or nothing; another type is an error, FP303 (FP208 when compiled)."""
    inner = system_one(code)
    systems = _systems(code)
    if code.constant is not None and systems == {"String"}:
        return inner
    is_other = systems and "String" not in systems and not any(map(is_open, code.static.types or ()))
    if site.compilation.strict and is_other:
        raise site.fault("FP208", function=site.name, expected="String", found=str(code.static.one))

    def one(this: Item, run: Run) -> str | None:
        item = inner(this, run)
        if item is None or item.__class__ is str:
            return item
        if isinstance(item, str):
            return str(item)
        raise site.fault("FP303", function=site.name, expected="String", found=said(item))

    return one


def number(site: Site, code: Code) -> ScalarClosure:
    """A closure that gives a number or nothing; another type is an error, FP303 (FP208 when compiled)."""
    return _numeric(site, code, _NUMBERS)


def number_or_quantity(site: Site, code: Code) -> ScalarClosure:
    """As `number`, and quantities too."""
    return _numeric(site, code, _NUMBERS | {"Quantity"})


def _numeric(site: Site, code: Code, wanted: frozenset[str]) -> ScalarClosure:
    inner = system_one(code)
    systems = _systems(code)
    if code.constant is not None and systems and systems <= wanted:
        return inner
    expected = "Integer | Decimal"
    if site.compilation.strict and systems and None not in systems and systems.isdisjoint(wanted):
        raise site.fault("FP208", function=site.name, expected=expected, found=str(code.static.one))

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None or is_number(item) or ("Quantity" in wanted and isinstance(item, Quantity)):
            return item
        raise site.fault("FP303", function=site.name, expected=expected, found=said(item))

    return one


def moment(_site: Site, code: Code) -> ScalarClosure:
    """A closure that gives a date or time, or nothing; nothing of another type too."""
    inner = system_one(code)

    def one(this: Item, run: Run) -> Temporal | None:
        item = inner(this, run)
        return item if isinstance(item, Temporal) else None

    return one


def _systems(code: Code) -> set[str | None] | None:
    """The System types that may come, None among them for one with parts; None if nothing is known."""
    types = code.static.types
    return None if types is None else {system_of(kind) for kind in types}


def is_number(item: Item) -> bool:
    """True of an Integer or Decimal."""
    return isinstance(item, (int, Decimal)) and item.__class__ is not bool


def of_input(name: str, reading: Reading, static: Static, compute: Callable[[Any], Any]) -> None:
    """Enter a function of the input alone."""

    @function(name)
    def build(site: Site) -> Code:
        source = reading(site, site.input())

        def one(this: Item, run: Run) -> Item | None:
            item = source(this, run)
            return None if item is None else compute(item)

        return Code(static, one=one)


def of_two(name: str, reading: Reading, static: Static, compute: Callable[[Any, Any], Any]) -> None:
    """Enter a function of the input and one argument of the same type."""

    @function(name, 1)
    def build(site: Site) -> Code:
        source, argument = reading(site, site.input()), site.argument(0)
        other = reading(site, argument)
        if not (argument.constant and other is argument.one):
            return Code(static, one=paired(source, other, compute))
        value = argument.constant[0]

        def with_constant(this: Item, run: Run) -> Item | None:
            item = source(this, run)
            return None if item is None else compute(item, value)

        return Code(static, one=with_constant)
