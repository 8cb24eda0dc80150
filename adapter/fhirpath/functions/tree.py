"""Walking down: children() and descendants(). FHIRPath 2.0.0, "Tree Navigation"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import Code, Static, boxed
from adapter.fhirpath.navigate import children as children_of
from adapter.fhirpath.signature import Site, function
from adapter.fhirpath.tree import Variable
from adapter.fhirpath.variables import CONTEXTS

if TYPE_CHECKING:
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.values import Item

_UNORDERED = Static(None, is_ordered=False)


@function("children")
def children(site: Site) -> Code:
    """Every element of every item, in no order."""
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        for item in several(this, run):
            children_of(item, out)
        run.hold(len(out))
        return out

    return Code(_UNORDERED, many=many)


@function("descendants")
def descendants(site: Site) -> Code:
    """Every element below every item, at any depth, in no order."""
    several = boxed(site.target).many

    def many(this: Item, run: Run) -> list[Item]:
        out: list[Item] = []
        front: list[Item] = several(this, run)
        while front:
            below: list[Item] = []
            for item in front:
                children_of(item, below)
            out += below
            run.hold(len(out))
            front = below
        return out

    # What hangs from %resource is the same wherever it is asked for, and invariants ask in loops.
    origin = site.tree.target
    if isinstance(origin, Variable) and origin.name in CONTEXTS:
        slot = site.compilation.slot()

        def remembered(this: Item, run: Run) -> list[Item]:
            found = run.memory.get(slot)
            if found is None:
                found = run.memory[slot] = many(this, run)
            return found

        return Code(_UNORDERED, many=remembered)
    return Code(_UNORDERED, many=many)
