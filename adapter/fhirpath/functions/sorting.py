"""The order of items: sort(). FHIRPath 3.0.0-ballot, which R4's tests use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath import equality
from adapter.fhirpath.code import Code, Static
from adapter.fhirpath.operands import at_most_one, converter, system_one
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Unary

if TYPE_CHECKING:
    from adapter.fhirpath.operands import ScalarClosure
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item


@function("sort", 0, 32)
def sort(site: Site) -> Code:
    """The items in order, by themselves or by keys; a minus before a key turns its order round.

    Items without a key come first, whichever way.
    """
    keys: list[tuple[ScalarClosure, bool]] = []
    compilation = site.compilation
    for argument in site.tree.arguments:
        is_descending = isinstance(argument, Unary) and argument.operator == "-"
        tree = argument.operand if isinstance(argument, Unary) and is_descending else argument
        scope = site.scope.inside(site.target.static.one)
        code = at_most_one(compilation, tree, compilation.visit(tree, scope), site.name)
        keys.append((system_one(code), is_descending))
    if site.target.is_scalar:
        return site.target
    if not keys:
        convert = converter(site.target.static)
        keys = [(lambda this, _run: convert(this), False)]
    several = site.target.many

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

    return Code(Static(site.target.static.types), many=many)


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
