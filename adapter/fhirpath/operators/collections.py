"""Membership and union: `in`, `contains`, `|`. FHIRPath 2.0.0, "Collections"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import BOOLEAN, Code, Static, boxed, constant, joined
from adapter.fhirpath.equality import equal
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import at_most_one, keyed, system_many, system_one

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Binary, Tree
    from adapter.fhirpath.values import Item


def in_(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `item in items`."""
    return _membership(compilation, tree, left, right, tree.left)


def contains(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `items contains item`."""
    return _membership(compilation, tree, right, left, tree.right)


def _membership(compilation: Compilation, tree: Binary, item: Code, items: Code, place: Tree) -> Code:
    if item.static.types == ():
        return constant([], ("System.Boolean",))
    first = system_one(at_most_one(compilation, place, item, tree.operator))
    if items.constant is not None and system_of(item.static.only) == "String":
        texts = frozenset(value for value in items.constant if isinstance(value, str))

        def of_texts(this: Item, run: Run) -> bool | None:
            found = first(this, run)
            # What stands in a broken resource need not be a string, nor hashable.
            return None if found is None else isinstance(found, str) and found in texts

        return Code(BOOLEAN, one=of_texts)
    second = system_many(items)

    def one(this: Item, run: Run) -> bool | None:
        found = first(this, run)
        if found is None:
            return None
        others = second(this, run)
        run.left -= len(others)
        if run.left < 0:
            run.pay()
        return any(equal(found, other) for other in others)

    return Code(BOOLEAN, one=one)


def union(_compilation: Compilation, _tree: Tree, *operands: Code) -> Code:
    """Compile `|`: all items of all operands, equal ones once."""
    codes = [code for code in operands if code.static.types != ()]
    if not codes:
        return constant([], ())
    static = codes[0].static
    for code in codes[1:]:
        static = joined(static, code.static)
    static = Static(static.types, is_ordered=all(code.static.is_ordered for code in codes))
    if static.only is None:
        codes = [boxed(code) for code in codes]
    distinct = distinct_items(static)
    if all(code.constant is not None for code in codes):
        items = [item for code in codes for item in code.constant or ()]
        return constant(distinct(items), static.types or ())
    closures = [code.many for code in codes]

    def many(this: Item, run: Run) -> list[Item]:
        together: list[Item] = []
        for closure in closures:
            together += closure(this, run)
        run.hold(len(together))
        return distinct(together)

    return Code(static, many=many)


def distinct_items(static: Static) -> Callable[[list[Item]], list[Item]]:
    """What keeps the first of equal items."""
    key = keyed(static)

    def distinct(items: list[Item]) -> list[Item]:
        if len(items) < 2:
            return items
        if all(item.__class__ is str for item in items):
            return list(dict.fromkeys(items))
        seen: set[Hashable] = set()
        out: list[Item] = []
        for item in items:
            mark = key(item)
            if mark not in seen:
                seen.add(mark)
                out.append(item)
        return out

    return distinct
