"""FHIRPath inside of a map: which variables it reads, and how bare names become variables.

Where a path begins with the name of a variable of the map, the variable is meant and not an element; this is
how maps have always been written (`where vs.type.exists()`), and how the reference engine reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Binary, Call, Indexer, Literal, Member, Tree, TypeTest, Unary, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator


def children(tree: Tree) -> Iterator[Tree]:
    """Yield the parts directly below."""
    if isinstance(tree, Member):
        if tree.target is not None:
            yield tree.target
    elif isinstance(tree, Call):
        if tree.target is not None:
            yield tree.target
        yield from tree.arguments
    elif isinstance(tree, Indexer):
        yield tree.target
        yield tree.index
    elif isinstance(tree, (Unary, TypeTest)):
        yield tree.operand
    elif isinstance(tree, Binary):
        yield tree.left
        yield tree.right


def walk(tree: Tree) -> Iterator[Tree]:
    """Yield `tree` and everything below it."""
    yield tree
    for child in children(tree):
        yield from walk(child)


def renamed(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """Build the tree anew with every part changed, the deepest first."""
    if isinstance(tree, Member):
        if tree.target is not None:
            tree = replace(tree, target=renamed(tree.target, change))
    elif isinstance(tree, Call):
        tree = replace(
            tree,
            target=None if tree.target is None else renamed(tree.target, change),
            arguments=tuple(renamed(argument, change) for argument in tree.arguments),
        )
    elif isinstance(tree, Indexer):
        tree = replace(tree, target=renamed(tree.target, change), index=renamed(tree.index, change))
    elif isinstance(tree, (Unary, TypeTest)):
        tree = replace(tree, operand=renamed(tree.operand, change))
    elif isinstance(tree, Binary):
        tree = replace(tree, left=renamed(tree.left, change), right=renamed(tree.right, change))
    return change(tree)


def with_variables(tree: Tree, names: Collection[str]) -> Tree:
    """Turn every path that begins with one of `names` into one that begins with `%name`."""

    def change(part: Tree) -> Tree:
        if isinstance(part, Member) and part.target is None and part.name in names:
            return Variable(name=part.name, span=part.span)
        return part

    return renamed(tree, change)


def bare_names(tree: Tree) -> set[str]:
    """Return the names that paths begin with."""
    return {part.name for part in walk(tree) if isinstance(part, Member) and part.target is None}


def variables(tree: Tree) -> list[str]:
    """Return the names after `%`, each once, in the order they stand."""
    return list(dict.fromkeys(part.name for part in walk(tree) if isinstance(part, Variable)))


def plain_path(tree: Tree) -> tuple[str, tuple[str, ...]] | None:
    """Return first name and further names of a path that is nothing but names; None for anything else."""
    names: list[str] = []
    while isinstance(tree, Member):
        names.append(tree.name)
        if tree.target is None:
            return names[-1], tuple(reversed(names[:-1]))
        tree = tree.target
    if isinstance(tree, Variable):
        return tree.name, tuple(reversed(names))
    return None


_KINDS = {
    "toInteger": "integer", "toDecimal": "decimal", "toBoolean": "boolean", "toString": "string",
    "toDate": "date",
    "toDateTime": "dateTime", "toTime": "time", "toQuantity": "Quantity", "exists": "boolean",
    "empty": "boolean",
    "not": "boolean", "count": "integer", "length": "integer", "substring": "string", "replace": "string",
    "upper": "string", "lower": "string", "join": "string", "trim": "string",
}  # fmt: skip


_TRUTHS = frozenset({
    "exists", "empty", "not", "all", "allTrue", "anyTrue", "allFalse", "anyFalse", "contains", "startsWith",
    "endsWith", "matches", "matchesFull", "is", "count", "isDistinct", "subsetOf", "supersetOf", "hasValue",
    "memberOf", "conformsTo",
})  # fmt: skip
_CRITERIA = frozenset({"where", "exists", "all", "iif"})


def gives_source(tree: Tree) -> bool:
    """Tell whether what an expression reads goes into its value, or only decides which value it gives."""
    if isinstance(tree, Call):
        if tree.name == "iif":
            return any(gives_source(branch) for branch in tree.arguments[1:])
        return tree.name not in _TRUTHS
    if isinstance(tree, Binary):
        if tree.operator in ("+", "-", "&", "*", "/", "div", "mod", "|"):
            return gives_source(tree.left) or gives_source(tree.right)
        return False
    return not isinstance(tree, (Literal, TypeTest))


def condition_names(tree: Tree) -> frozenset[str]:
    """Return the names of elements that stand in criteria of `where` and the like, and nowhere else."""
    inside: set[str] = set()
    outside: set[str] = set()
    _sort_names(tree, outside, inside)
    return frozenset(inside - outside)


def _sort_names(tree: Tree, here: set[str], inside: set[str]) -> None:
    if isinstance(tree, Member):
        here.add(tree.name)
    if isinstance(tree, Call) and tree.name in _CRITERIA:
        if tree.target is not None:
            _sort_names(tree.target, here, inside)
        for at, argument in enumerate(tree.arguments):
            _sort_names(argument, inside if at == 0 else here, inside)
        return
    for child in children(tree):
        _sort_names(child, here, inside)


def kind_of(tree: Tree) -> str | None:
    """Tell the type of what an expression gives, where its outermost part tells it."""
    if isinstance(tree, Call):
        return _KINDS.get(tree.name)
    if isinstance(tree, Literal) and tree.kind != "empty":
        return tree.kind
    return None
