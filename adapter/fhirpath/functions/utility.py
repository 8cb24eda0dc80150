"""Choice, time, tracing, variables, precision and boundaries.

FHIRPath 2.0.0, "Filtering and projection" (iif), "Utility functions"; R4 fhirpath.html for comparable();
lowBoundary, highBoundary, precision and defineVariable of 2.1.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import equality, numbers, temporal
from adapter.fhirpath.code import BOOLEAN, INTEGER, Code, Static, constant, single
from adapter.fhirpath.functions.strings import text
from adapter.fhirpath.operators import integer_of, said, truth
from adapter.fhirpath.plain import system_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.tree import Literal
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("iif", 2, 3)
def iif(site: Site) -> Code:
    """The second argument if the first is true, else the third; the other one is not evaluated."""
    compiler = site.compiler
    has_input = site.tree.target is not None
    if has_input:
        source = site.input().one
        scope = site.scope.inside(site.target.static.one, has_index=site.scope.has_index)
    else:
        source, scope = None, site.scope
    arguments = [compiler.visit(argument, scope) for argument in site.tree.arguments]
    criterion = arguments[0]
    types = criterion.static.types
    if compiler.strict and types and all(system_of(kind) not in ("Boolean", None) for kind in types):
        raise site.fault("FP208", site.tree.arguments[0], function="iif", expected="Boolean",
                         found=str(criterion.static.one))  # fmt: skip
    test = truth(compiler, criterion, site.tree.arguments[0], "iif")
    yes = arguments[1]
    no = arguments[2] if len(arguments) == 3 else constant([], ())
    yes, no = compiler.alike(yes, no)
    joined = compiler.joined(yes.static, no.static, is_ordered=True)
    if yes.is_scalar and no.is_scalar:
        one_yes, one_no = yes.one, no.one

        def one(this: Item, run: Run) -> Item | None:
            focus = this if source is None else source(this, run)
            return one_yes(focus, run) if test(focus, run) else one_no(focus, run)

        return Code(joined.one, one=one)
    all_yes, all_no = yes.many, no.many

    def many(this: Item, run: Run) -> list[Item]:
        focus = this if source is None else source(this, run)
        return all_yes(focus, run) if test(focus, run) else all_no(focus, run)

    return Code(joined, many=many)


@function("not")
def not_(site: Site) -> Code:
    """True for false, false for true."""
    test = truth(site.compiler, site.target, site.tree, "not")

    def one(this: Item, run: Run) -> bool | None:
        answer = test(this, run)
        return None if answer is None else not answer

    return Code(BOOLEAN, one=one)


@function("trace", 1, 2)
def trace(site: Site) -> Code:
    """Tell the caller's trace service of the items, and pass them on."""
    label = text(site, site.argument(0))
    body = site.body(1)[0] if site.count == 2 else None
    several = site.target.many
    project = None if body is None else site.compiler.boxed(body).many
    from adapter.fhirpath.results import json_values

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        told = run.services.trace
        shown = items if project is None else [found for item in items for found in project(item, run)]
        if told is not None:
            told(label(this, run) or "", json_values(shown))
        return items

    if not site.target.is_scalar:
        return Code(site.target.static, many=many)

    def one(this: Item, run: Run) -> Item | None:
        items = many(this, run)
        return items[0] if items else None

    return Code(site.target.static, one=one)


@function("now")
def now(site: Site) -> Code:
    """The moment of the evaluation, the same throughout one evaluation."""
    return Code(single("System.DateTime"), one=lambda _this, run: run.now())


@function("today")
def today(site: Site) -> Code:
    """The day of the evaluation."""
    return Code(single("System.Date"), one=lambda _this, run: Temporal("Date", run.now().parts[:3]))


@function("timeOfDay")
def time_of_day(site: Site) -> Code:
    """The time of day of the evaluation."""

    def one(_this: Item, run: Run) -> Item:
        moment = run.now()
        return Temporal("Time", moment.parts[3:], moment.fraction)

    return Code(single("System.Time"), one=one)


_SYSTEM_VARIABLES = frozenset({"context", "resource", "rootResource", "ucum", "sct", "loinc"})


@function("defineVariable", 1, 2)
def define_variable(site: Site) -> Code:
    """Name the input, or what an expression gives of it, for the steps that follow."""
    compiler = site.compiler
    argument = site.tree.arguments[0]
    if not isinstance(argument, Literal) or argument.kind != "string":
        raise site.fault("FP210", argument)
    name = argument.text
    if name in _SYSTEM_VARIABLES or name in site.scope.variables or name in compiler.environment_names:
        raise site.fault("FP209", argument, name=name)
    slot = compiler.slot()
    several = site.target.many
    if site.count == 2:
        is_list = not site.target.is_scalar
        scope = replace(
            site.scope.inside(site.target.static, this_is_list=is_list), has_index=site.scope.has_index
        )
        body = compiler.visit(site.tree.arguments[1], scope)
        value, static = body.many, body.static
    else:
        is_list, value, static = False, None, site.target.static
    site.after = site.scope.with_variable(name, slot, static)

    def define(items: list[Item], run: Run) -> None:
        if value is None:
            run.variables[slot] = items
        else:
            focus: Any = items if is_list else (items[0] if items else None)
            run.variables[slot] = value(focus, run)

    if site.target.is_scalar:
        inner = site.target.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            define([] if item is None else [item], run)
            return item

        return Code(site.target.static, one=one)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        define(items, run)
        return items

    return Code(site.target.static, many=many)


def _edge(name: str, *, high: bool) -> None:
    @function(name, 0, 1)
    def build(site: Site) -> Code:
        target = site.input()
        source = site.system(target)
        digits: Any = None
        if site.count:
            digits = integer_of(site.compiler, site.value(0), site.tree.arguments[0], name)

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
            if isinstance(item, (int, Decimal)) and not isinstance(item, bool):
                return numbers.boundary(item, wanted, high=high)
            raise site.fault(
                "FP303", function=name, expected="Decimal | Quantity | DateTime", found=said(item)
            )

        kind = system_of(target.static.only)
        known = {"Integer": "Decimal"}.get(kind or "", kind)
        return Code(single(f"System.{known}") if known else Static(None, is_single=True), one=one)


_edge("lowBoundary", high=False)
_edge("highBoundary", high=True)


@function("precision")
def precision(site: Site) -> Code:
    """How many digits a number has after the point, or a date in all."""
    source = site.system(site.input())

    def one(this: Item, run: Run) -> Item | None:
        item = source(this, run)
        if item is None:
            return None
        if isinstance(item, Temporal):
            return item.digits
        if isinstance(item, Quantity):
            return numbers.precision(item.value)
        if isinstance(item, (int, Decimal)) and not isinstance(item, bool):
            return numbers.precision(item)
        raise site.fault("FP303", function="precision", expected="Decimal | DateTime", found=said(item))

    return Code(INTEGER, one=one)


@function("comparable", 1)
def comparable(site: Site) -> Code:
    """True if two quantities measure the same thing."""
    source, other = site.system(site.input()), site.system(site.argument(0))

    def one(this: Item, run: Run) -> bool | None:
        left, right = source(this, run), other(this, run)
        if left is None or right is None:
            return None
        if not (isinstance(left, Quantity) and isinstance(right, Quantity)):
            wrong = right if isinstance(left, Quantity) else left
            raise site.fault("FP303", function="comparable", expected="Quantity", found=said(wrong))
        return equality.is_comparable(left, right)

    return Code(BOOLEAN, one=one)


_PARTS: dict[str, tuple[int, str]] = {
    "yearOf": (0, "date"),
    "monthOf": (1, "date"),
    "dayOf": (2, "date"),
    "hourOf": (0, "clock"),
    "minuteOf": (1, "clock"),
    "secondOf": (2, "clock"),
}


def _component(name: str, place: int, side: str) -> None:
    @function(name)
    def build(site: Site) -> Code:
        source = site.system(site.input())

        def one(this: Item, run: Run) -> Item | None:
            item = source(this, run)
            if not isinstance(item, Temporal):
                return None
            if side == "date":
                parts = () if item.kind == "Time" else item.parts[:3]
            else:
                parts = item.parts if item.kind == "Time" else item.parts[3:]
            return parts[place] if place < len(parts) else None

        return Code(INTEGER, one=one)


for _name, (_place, _side) in _PARTS.items():
    _component(_name, _place, _side)


def _of_moment(name: str, static: Static, compute: Callable[[Temporal], Item | None]) -> None:
    @function(name)
    def build(site: Site) -> Code:
        source = site.system(site.input())

        def one(this: Item, run: Run) -> Item | None:
            item = source(this, run)
            return compute(item) if isinstance(item, Temporal) else None

        return Code(static, one=one)


def _milliseconds(moment: Temporal) -> int | None:
    return int(moment.fraction[:3].ljust(3, "0")) if moment.fraction else None


def _zone(moment: Temporal) -> Decimal | None:
    return None if moment.offset is None else Decimal(moment.offset) / 60


def _day(moment: Temporal) -> Temporal | None:
    return None if moment.kind == "Time" else Temporal("Date", moment.parts[:3])


def _clock(moment: Temporal) -> Temporal | None:
    if moment.kind == "Time":
        return moment
    return Temporal("Time", moment.parts[3:], moment.fraction) if len(moment.parts) > 3 else None


_of_moment("millisecondOf", INTEGER, _milliseconds)
_of_moment("timezoneOffsetOf", single("System.Decimal"), _zone)
_of_moment("dateOf", single("System.Date"), _day)
_of_moment("timeOf", single("System.Time"), _clock)
