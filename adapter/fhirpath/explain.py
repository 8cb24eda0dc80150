"""What the compiler understood: the tree of an expression with the type of every part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhirpath.printer import print_tree
from adapter.fhirpath.tree import (
    Binary,
    Call,
    Indexer,
    Member,
    Tree,
    TypeTest,
    Unary,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhirpath.expression import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One part of an expression."""

    depth: int
    label: str
    """An operator, a name or a literal, as it is written."""
    type: str | None
    """What may come out, `*` for several; None for what is not evaluated, such as the name of a type."""
    offset: int
    """Where the part begins in the expression's text."""


def explain(expression: Expression) -> list[Line]:
    """List every part, an operator before its operands, a step after what it steps from."""
    types = expression.types()
    return list(_lines(expression.tree, types, 0))


def _lines(tree: Tree, types: dict[int, str], depth: int) -> Iterator[Line]:
    label, parts = _parts(tree)
    yield Line(depth=depth, label=label, type=types.get(id(tree)), offset=tree.span.start)
    for part in parts:
        yield from _lines(part, types, depth + 1)


def _parts(tree: Tree) -> tuple[str, tuple[Tree, ...]]:
    """The word for a node, and the nodes below it."""
    match tree:
        case Member(target=target, name=name):
            return f".{name}" if target is not None else name, _some(target)
        case Call(target=target, name=name, arguments=arguments):
            return f"{'.' if target is not None else ''}{name}()", (*_some(target), *arguments)
        case Indexer(target=target, index=index):
            return "[]", (target, index)
        case Unary(operator=operator, operand=operand):
            return operator, (operand,)
        case Binary(operator=operator, left=left, right=right):
            return operator, (left, right)
        case TypeTest(operator=operator, operand=operand, type=name):
            return f"{operator} {name}", (operand,)
    return print_tree(tree), ()


def _some(tree: Tree | None) -> tuple[Tree, ...]:
    return () if tree is None else (tree,)
