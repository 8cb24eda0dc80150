"""Existence, filtering and projection: functions that visit items one by one.

FHIRPath 2.0.0, "Existence", "Filtering and projection", "Aggregates".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.fhirpath import equality
from adapter.fhirpath.code import BOOLEAN, INTEGER, Code, Static, constant
from adapter.fhirpath.operators import distinct_items, said, system_many, truth
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Unary

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


def _condition(site: Site, index: int = 0) -> tuple[Callable[[Item, Run], bool | None], bool]:
    """Compile an argument as a test of one item; True beside it if it asks for `$index`."""
    body, uses_index = site.body(index)
    return truth(site.compiler, body, site.tree.arguments[index], site.name), uses_index


@function("empty")
def empty(site: Site) -> Code:
    """True if there is no item."""
    target = site.target
    if target.is_scalar:
        inner = target.one
        return Code(BOOLEAN, one=lambda this, run: inner(this, run) is None)
    several = target.many
    return Code(BOOLEAN, one=lambda this, run: not several(this, run))


@function("exists", 0, 1)
def exists(site: Site) -> Code:
    """True if there is an item, or one that meets the condition."""
    target = site.target
    if site.count == 0:
        if target.is_scalar:
            inner = target.one
            return Code(BOOLEAN, one=lambda this, run: inner(this, run) is not None)
        several = target.many
        return Code(BOOLEAN, one=lambda this, run: bool(several(this, run)))
    test, uses_index = _condition(site)
    several = target.many

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        return any(test(item, run) for item in items)

    def indexed(this: Item, run: Run) -> bool:
        return _any_indexed(several(this, run), test, run)

    return Code(BOOLEAN, one=indexed if uses_index else one)


def _any_indexed(items: list[Item], test: Callable[[Item, Run], bool | None], run: Run) -> bool:
    run.charge(len(items))
    before = run.index
    try:
        for run.index, item in enumerate(items):
            if test(item, run):
                return True
    finally:
        run.index = before
    return False


@function("all", 1)
def all_(site: Site) -> Code:
    """True if every item meets the condition; true of none."""
    test, uses_index = _condition(site)
    several = site.target.many

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        for item in items:  # noqa: SIM110 (a generator would cost a frame for each item)
            if not test(item, run):
                return False
        return True

    def indexed(this: Item, run: Run) -> bool:
        return not _any_indexed(several(this, run), lambda item, run: not test(item, run), run)

    return Code(BOOLEAN, one=indexed if uses_index else one)


def _booleans(site: Site, wanted: bool, *, for_any: bool) -> Code:
    several = system_many(site.compiler, site.target)
    name = site.name

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.charge(len(items))
        for item in items:
            if not isinstance(item, bool):
                raise site.fault("FP303", function=name, expected="Boolean", found=said(item))
        return any(item is wanted for item in items) if for_any else all(item is wanted for item in items)

    return Code(BOOLEAN, one=one)


@function("allTrue")
def all_true(site: Site) -> Code:
    """True if every item is true."""
    return _booleans(site, True, for_any=False)


@function("anyTrue")
def any_true(site: Site) -> Code:
    """True if one item is true."""
    return _booleans(site, True, for_any=True)


@function("allFalse")
def all_false(site: Site) -> Code:
    """True if every item is false."""
    return _booleans(site, False, for_any=False)


@function("anyFalse")
def any_false(site: Site) -> Code:
    """True if one item is false."""
    return _booleans(site, False, for_any=True)


@function("count")
def count(site: Site) -> Code:
    """The number of items."""
    if site.target.is_scalar:
        inner = site.target.one
        return Code(INTEGER, one=lambda this, run: 0 if inner(this, run) is None else 1)
    several = site.target.many
    return Code(INTEGER, one=lambda this, run: len(several(this, run)))


@function("where", 1)
def where(site: Site) -> Code:
    """The items that meet the condition."""
    test, uses_index = _condition(site)
    static = site.target.static
    if site.target.is_scalar:
        inner = site.target.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            if item is None:
                return None
            if uses_index:
                before, run.index = run.index, 0
                kept = test(item, run)
                run.index = before
                return item if kept else None
            return item if test(item, run) else None

        return Code(static, one=one)
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        return [item for item in items if test(item, run)]

    def indexed(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        run.charge(len(items))
        before = run.index
        out = []
        for run.index, item in enumerate(items):
            if test(item, run):
                out.append(item)
        run.index = before
        return out

    return Code(static, many=indexed if uses_index else many)


@function("select", 1)
def select(site: Site) -> Code:
    """What the expression gives for each item, in one collection."""
    body, uses_index = site.body(0)
    static = body.static
    ordered = static.is_ordered and site.target.static.is_ordered
    if site.target.is_scalar and not uses_index:
        inner = site.target.one
        if body.is_scalar:
            project = body.one

            def one(this: Item, run: Run) -> Item | None:
                item = inner(this, run)
                return None if item is None else project(item, run)

            return Code(static, one=one)
        project_all = body.many

        def of_one(this: Item, run: Run) -> list[Item]:
            item = inner(this, run)
            return [] if item is None else project_all(item, run)

        return Code(Static(static.types, is_ordered=ordered), many=of_one)
    several = site.target.many
    result = Static(static.types, is_ordered=ordered)
    if uses_index:
        project_all = body.many

        def indexed(this: Item, run: Run) -> list[Item]:
            before = run.index
            out: list[Item] = []
            items = several(this, run)
            for run.index, item in enumerate(items):
                out += project_all(item, run)
                run.charge(1)
                if len(out) > run.budget.output:
                    run.hold(len(out))
            run.index = before
            return out

        return Code(result, many=indexed)
    if body.is_scalar:
        project = body.one

        def of_many(this: Item, run: Run) -> list[Item]:
            items = several(this, run)
            run.left -= len(items)
            if run.left < 0:
                run.pay()
            return [found for item in items if (found := project(item, run)) is not None]

        return Code(result, many=of_many)
    project_all = body.many

    def flattened(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        for item in several(this, run):
            out += project_all(item, run)
            if len(out) > run.budget.output:
                run.hold(len(out))
            run.left -= 1
            if run.left < 0:
                run.pay()
        return out

    return Code(result, many=flattened)


def _repetition(site: Site, *, distinct: bool) -> Code:
    """Compile repeat() and repeatAll(): the projection of the projection, until nothing new comes."""
    # What comes out goes in again, so the types of the items are not known in advance.
    source = site.compiler.boxed(site.target)
    body, _ = site.body(0, Static(None))
    project = site.compiler.boxed(body).many
    static = Static(None, is_ordered=False)
    convert = site.compiler.converter(static)
    key = equality.key
    several = source.many

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        seen: set[Any] = set()
        front = several(this, run)
        while front:
            run.hold(len(out) + len(front))
            following: list[Item] = []
            for item in front:
                for found in project(item, run):
                    if distinct:
                        value = convert(found)
                        mark = (None, id(found)) if value is None else key(value)
                        if mark in seen:
                            continue
                        seen.add(mark)
                    following.append(found)
                run.charge(1)
                if len(following) > run.budget.output:
                    run.hold(len(following))
            out += following
            front = following
        return out

    return Code(static, many=many)


@function("repeat", 1)
def repeat(site: Site) -> Code:
    """All that the expression reaches, over any number of steps; equal items once."""
    return _repetition(site, distinct=True)


@function("repeatAll", 1)
def repeat_all(site: Site) -> Code:
    """As repeat(), with equal items as often as they come."""
    return _repetition(site, distinct=False)


@function("aggregate", 1, 2)
def aggregate(site: Site) -> Code:
    """Gather the items into one result, `$total` so far and `$this` one after the other."""
    start = site.value(1) if site.count == 2 else constant([], ())
    total = Static(None)
    body, uses_index = site.body(0, total=total)
    step = site.compiler.boxed(body).many
    begin = site.compiler.boxed(start).many
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        before, before_index = run.total, run.index
        run.total = begin(this, run)
        try:
            for place, item in enumerate(items):
                if uses_index:
                    run.index = place
                run.total = step(item, run)
                run.hold(len(run.total))
            return run.total
        finally:
            run.total, run.index = before, before_index

    return Code(Static(None), many=many)


@function("distinct")
def distinct(site: Site) -> Code:
    """The items, equal ones once."""
    if site.target.is_scalar:
        return site.target
    several = site.target.many
    unique = distinct_items(site.compiler, site.target.static)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        run.charge(len(items))
        return unique(items)

    return Code(site.target.static, many=many)


@function("isDistinct")
def is_distinct(site: Site) -> Code:
    """True if no two items are equal."""
    several = site.target.many
    unique = distinct_items(site.compiler, site.target.static)

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.charge(len(items))
        return len(unique(items)) == len(items)

    return Code(BOOLEAN, one=one)


@function("sort", 0, 32)
def sort(site: Site) -> Code:
    """The items in order, by themselves or by keys; a minus before a key turns its order round.

    Items without a key come first, whichever way. FHIRPath 3.0.0-ballot, sort(), which R4's tests use.
    """
    keys: list[tuple[Callable[[Item, Run], Item | None], bool]] = []
    compiler = site.compiler
    for argument in site.tree.arguments:
        is_descending = isinstance(argument, Unary) and argument.operator == "-"
        tree = argument.operand if isinstance(argument, Unary) and is_descending else argument
        scope = site.scope.inside(site.target.static.one)
        code = compiler.at_most_one(tree, compiler.visit(tree, scope), site.name)
        keys.append((site.system(code), is_descending))
    convert = compiler.converter(site.target.static)
    if not keys:
        keys = [(lambda this, _run: convert(this), False)]
    several = site.target.many
    static = Static(site.target.static.types, is_single=site.target.static.is_single)
    if site.target.is_scalar:
        return site.target

    def many(this: Item, run: Run) -> list[Item]:
        items = list(several(this, run))
        run.charge(len(items) * 8)
        for closure, is_descending in reversed(keys):
            marked = [(closure(item, run), item) for item in items]
            lacking = [item for mark, item in marked if mark is None]
            ranked = [(_Rank(site, mark), item) for mark, item in marked if mark is not None]
            ranked.sort(key=lambda pair: pair[0], reverse=is_descending)
            items = lacking + [item for _, item in ranked]
        return items

    return Code(static, many=many)


class _Rank:
    """A sort key in FHIRPath's order."""

    __slots__ = ("site", "value")

    def __init__(self, site: Site, value: Item) -> None:
        self.site = site
        self.value = value

    def __lt__(self, other: _Rank) -> bool:
        try:
            found = equality.order(self.value, other.value)
        except equality.NotComparable:
            raise self.site.fault("FP311", function="sort") from None
        return found is not None and found < 0
