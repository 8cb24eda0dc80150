"""Constants of an expression, computed once when it is compiled.

A part of which nothing but its own text decides the result is evaluated on the spot, within limits of its
own; one that fails or costs much is left to fail or cost when it is run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.fhirpath.code import constant
from adapter.fhirpath.run import Budget, Run
from adapter.fhirpath.signature import FUNCTIONS
from adapter.fhirpath.tree import Binary, Call, Indexer, Literal, QuantityLiteral, TypeTest, Unary, Variable

if TYPE_CHECKING:
    from adapter.fhirpath.code import Code
    from adapter.fhirpath.tree import Tree

_BUDGET = Budget(steps=0, text=1_000, output=64)
_STEPS = 300
_MOST = 1_000
"""What constants may cost: the steps of each, and how many there may be in one expression."""


class Folding:
    """The constants of one expression."""

    __slots__ = ("_count", "_pure")

    def __init__(self) -> None:
        self._count = 0
        self._pure: set[int] = set()
        """The nodes found to be constant, by identity."""

    def folded(self, tree: Tree, code: Code) -> Code:
        """Give the value itself in place of a piece that computes it, if it is a constant."""
        if not self._is_pure(tree, code):
            return code
        self._pure.add(id(tree))
        if code.constant is not None or self._count >= _MOST:
            return code
        self._count += 1
        run = Run(None)
        run.budget = _BUDGET
        run.left = _STEPS
        try:
            items = code.many(None, run)
        except AdapterError:
            return code
        if len(items) > _BUDGET.output:
            return code
        folded = constant(items, code.static.types or (), code.tree)
        folded.static = replace(code.static, is_single=code.is_scalar or len(items) <= 1)
        return folded

    def _is_pure(self, tree: Tree, code: Code) -> bool:
        """True if nothing but what is written here decides the result."""
        parts: tuple[Tree, ...]
        match tree:
            case Literal() | QuantityLiteral():
                return True
            case Variable():
                return code.constant is not None
            case Unary(operand=operand) | TypeTest(operand=operand):
                parts = (operand,)
            case Binary():
                parts = tree.operands
            case Indexer(target=target, index=index):
                parts = (target, index)
            case Call(target=target, name=name, arguments=arguments):
                function = FUNCTIONS[name]
                if target is None or not function.is_pure:
                    return False
                parts = (target,) if function.takes_type else (target, *arguments)
            case _:
                return False
        return all(id(part) in self._pure for part in parts)
