"""FHIRPath inside of a map: which variables it reads, and how bare names become variables.

Where a path begins with the name of a variable of the map, the variable is meant and not an element; this is
how maps have always been written (`where vs.type.exists()`), and how the reference engine reads them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Binary, Call, Indexer, Member, Tree, TypeTest, Unary, Variable

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
