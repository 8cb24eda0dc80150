"""Logic of three values: `and`, `or`, `xor`, `implies`. FHIRPath 2.0.0, "Boolean logic"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import BOOLEAN, Code
from adapter.fhirpath.operands import truth

if TYPE_CHECKING:
    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Binary
    from adapter.fhirpath.values import Item


def conjunction(compilation: Compilation, tree: Binary, *operands: Code) -> Code:
    """Compile `and` or `or` over any number of operands, stopping where the answer is certain."""
    name = tree.operator
    certain = name == "or"
    tests = [truth(compilation, code.tree or tree, code, name) for code in operands]
    if len(tests) == 2:
        first, second = tests

        def of_two(this: Item, run: Run) -> bool | None:
            one = first(this, run)
            if one is certain:
                return certain
            other = second(this, run)
            if other is certain:
                return certain
            return None if one is None or other is None else not certain

        return Code(BOOLEAN, one=of_two)

    def of_all(this: Item, run: Run) -> bool | None:
        answer: bool | None = not certain
        for test in tests:
            one = test(this, run)
            if one is certain:
                return certain
            if one is None:
                answer = None
        return answer

    return Code(BOOLEAN, one=of_all)


def xor(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `xor`."""
    first = truth(compilation, tree.left, left, "xor")
    second = truth(compilation, tree.right, right, "xor")

    def one(this: Item, run: Run) -> bool | None:
        a, b = first(this, run), second(this, run)
        return None if a is None or b is None else a is not b

    return Code(BOOLEAN, one=one)


def implies(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `implies`; the right side is not asked where the left is false."""
    first = truth(compilation, tree.left, left, "implies")
    second = truth(compilation, tree.right, right, "implies")

    def one(this: Item, run: Run) -> bool | None:
        a = first(this, run)
        if a is False:
            return True
        b = second(this, run)
        if a is True:
            return b
        return True if b is True else None

    return Code(BOOLEAN, one=one)
