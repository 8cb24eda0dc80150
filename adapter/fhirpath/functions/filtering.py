"""Filtering and projection: functions that visit items one by one.

FHIRPath 2.0.0, "Filtering and projection"; repeatAll of 3.0.0-ballot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import ANY, Code, Static, boxed, first_of
from adapter.fhirpath.operands import keyed
from adapter.fhirpath.signature import Site, function

if TYPE_CHECKING:
    from collections.abc import Hashable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("where", 1)
def where(site: Site) -> Code:
    """The items that meet the condition."""
    test, uses_index = site.condition(0)
    static = site.target.static
    if site.target.is_scalar and not uses_index:
        inner = site.target.one

        def one(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return item if item is not None and test(item, run) else None

        return Code(static, one=one)
    several = site.target.many

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        run.left -= len(items)
        if run.left < 0:
            run.pay()
        return [item for item in (run.counted(items) if uses_index else items) if test(item, run)]

    code = Code(static, many=many)
    return first_of(code) if site.target.is_scalar else code


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
    if body.is_scalar:
        project = body.one

        def of_many(this: Item, run: Run) -> list[Item]:
            items = several(this, run)
            run.left -= len(items)
            if run.left < 0:
                run.pay()
            visited = run.counted(items) if uses_index else items
            return [found for item in visited if (found := project(item, run)) is not None]

        return Code(result, many=of_many)
    project_all = body.many

    def flattened(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        items = several(this, run)
        for item in run.counted(items) if uses_index else items:
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
    several = boxed(site.target).many
    body, _ = site.body(0, ANY)
    project = boxed(body).many
    key = keyed(ANY)

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        seen: set[Hashable] = set()
        front = several(this, run)
        while front:
            run.hold(len(out) + len(front))
            following: list[Item] = []
            for item in front:
                for found in project(item, run):
                    if distinct:
                        mark = key(found)
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

    return Code(Static(None, is_ordered=False), many=many)


@function("repeat", 1)
def repeat(site: Site) -> Code:
    """All that the expression reaches, over any number of steps; equal items once."""
    return _repetition(site, distinct=True)


@function("repeatAll", 1)
def repeat_all(site: Site) -> Code:
    """As repeat(), with equal items as often as they come."""
    return _repetition(site, distinct=False)
