"""Parts of collections, and collections with each other. FHIRPath 2.0.0, "Subsetting", "Combining"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import ANY, Code, Static, alike, boxed, first_of, joined
from adapter.fhirpath.operands import keys_of
from adapter.fhirpath.operators.collections import union as union_of
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("first")
def first(site: Site) -> Code:
    """The first item."""
    site.demand_order()
    return first_of(site.target)


@function("last")
def last(site: Site) -> Code:
    """The last item."""
    site.demand_order()
    if site.target.is_scalar:
        return site.target
    several = site.target.many

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        return items[-1] if items else None

    return Code(site.target.static.one, one=one)


@function("single")
def single(site: Site) -> Code:
    """The only item; more than one is an error."""
    return site.input()


@function("tail")
def tail(site: Site) -> Code:
    """All but the first item."""
    site.demand_order()
    several = site.target.many
    return Code(site.target.static.several, many=lambda this, run: several(this, run)[1:])


def _part(site: Site, cut: Callable[[list[Item], int], list[Item]]) -> Code:
    site.demand_order()
    number = site.integer(0)
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        size = number(this, run)
        return [] if size is None else cut(several(this, run), max(size, 0))

    return Code(site.target.static.several, many=many)


@function("skip", 1)
def skip(site: Site) -> Code:
    """All but so many items at the front."""
    return _part(site, lambda items, size: items[size:])


@function("take", 1)
def take(site: Site) -> Code:
    """So many items from the front."""
    return _part(site, lambda items, size: items[:size])


@function("intersect", 1)
def intersect(site: Site) -> Code:
    """The items that are in both collections, once each."""
    several, own, others = site.target.many, keys_of(site.target), keys_of(site.value(0))

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        if not items:
            return items
        wanted = set(others(this, run))
        out = []
        for item, mark in zip(items, own(this, run), strict=True):
            if mark in wanted:
                wanted.discard(mark)
                out.append(item)
        return out

    return Code(Static(site.target.static.types, is_ordered=False), many=many)


@function("exclude", 1)
def exclude(site: Site) -> Code:
    """The items that are not in the other collection, as often as they come."""
    several, own, others = site.target.many, keys_of(site.target), keys_of(site.value(0))

    def many(this: Item, run: Run) -> list[Item]:
        unwanted = set(others(this, run))
        pairs = zip(several(this, run), own(this, run), strict=True)
        return [item for item, mark in pairs if mark not in unwanted]

    return Code(site.target.static.several, many=many)


@function("union", 1)
def union(site: Site) -> Code:
    """All items of both collections, equal ones once."""
    return union_of(site.compilation, site.tree, site.target, site.value(0))


@function("combine", 1, 2)
def combine(site: Site) -> Code:
    """All items of both collections, as often as they come."""
    left, right = alike(site.target, site.value(0))
    one, other = left.many, right.many

    def many(this: Item, run: Run) -> list[Item]:
        together = one(this, run) + other(this, run)
        run.hold(len(together))
        return together

    return Code(joined(left.static, right.static), many=many)


@function("coalesce", 1, 64)
def coalesce(site: Site) -> Code:
    """The first argument that is not empty. FHIRPath 3.0.0-ballot."""
    closures = [boxed(site.value(index)).many for index in range(site.count)]

    def many(this: Item, run: Run) -> list[Item]:
        for closure in closures:
            items = closure(this, run)
            if items:
                return items
        return []

    return Code(ANY, many=many)
