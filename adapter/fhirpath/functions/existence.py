"""Questions to a whole collection: is anything there, how much, is all of it so.

FHIRPath 2.0.0, "Existence".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import BOOLEAN, INTEGER, Code
from adapter.fhirpath.operands import keys_of, said, system_many
from adapter.fhirpath.operators.collections import distinct_items
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


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
    test, uses_index = site.condition(0)
    several = target.many

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        return any(test(item, run) for item in (run.counted(items) if uses_index else items))

    return Code(BOOLEAN, one=one)


@function("all", 1)
def all_(site: Site) -> Code:
    """True if every item meets the condition; true of none."""
    test, uses_index = site.condition(0)
    several = site.target.many

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        for item in run.counted(items) if uses_index else items:  # noqa: SIM110 (a generator costs a frame)
            if not test(item, run):
                return False
        return True

    return Code(BOOLEAN, one=one)


def _of_booleans(name: str, test: Callable[[Iterable[bool]], bool], *, wanted: bool) -> None:
    """Enter a function that asks whether all, or any, of the items are true, or false."""

    @function(name)
    def build(site: Site) -> Code:
        several = system_many(site.target)

        def one(this: Item, run: Run) -> bool:
            items = several(this, run)
            run.charge(len(items))
            for item in items:
                if not isinstance(item, bool):
                    raise site.fault("FP303", function=name, expected="Boolean", found=said(item))
            return test(item is wanted for item in items)

        return Code(BOOLEAN, one=one)


_of_booleans("allTrue", all, wanted=True)
_of_booleans("anyTrue", any, wanted=True)
_of_booleans("allFalse", all, wanted=False)
_of_booleans("anyFalse", any, wanted=False)


@function("count")
def count(site: Site) -> Code:
    """The number of items."""
    if site.target.is_scalar:
        inner = site.target.one
        return Code(INTEGER, one=lambda this, run: 0 if inner(this, run) is None else 1)
    several = site.target.many
    return Code(INTEGER, one=lambda this, run: len(several(this, run)))


@function("subsetOf", 1)
def subset_of(site: Site) -> Code:
    """True if every item is in the other collection."""
    own, others = keys_of(site.target), keys_of(site.value(0))
    return Code(BOOLEAN, one=lambda this, run: set(own(this, run)) <= set(others(this, run)))


@function("supersetOf", 1)
def superset_of(site: Site) -> Code:
    """True if every item of the other collection is here."""
    own, others = keys_of(site.target), keys_of(site.value(0))
    return Code(BOOLEAN, one=lambda this, run: set(own(this, run)) >= set(others(this, run)))


@function("distinct")
def distinct(site: Site) -> Code:
    """The items, equal ones once."""
    if site.target.is_scalar:
        return site.target
    several = site.target.many
    unique = distinct_items(site.target.static)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        run.charge(len(items))
        return unique(items)

    return Code(site.target.static, many=many)


@function("isDistinct")
def is_distinct(site: Site) -> Code:
    """True if no two items are equal."""
    several = site.target.many
    unique = distinct_items(site.target.static)

    def one(this: Item, run: Run) -> bool:
        items = several(this, run)
        run.charge(len(items))
        return len(unique(items)) == len(items)

    return Code(BOOLEAN, one=one)
