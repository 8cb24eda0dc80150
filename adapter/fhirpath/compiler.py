"""Tree to closures: types are worked out on the way, so that most checks are made once.

In strict mode (a context type was given) what cannot be right is refused here: an element the type does
not have, a cast to a type that cannot come, a function on the wrong type of input. In lenient mode such a
step is simply empty, as it would be in a tree without types.
FHIRPath 2.0.0, "Type Safety and Strict Evaluation".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.code import Code
from adapter.fhirpath.compilation import Compilation
from adapter.fhirpath.faults import nearest
from adapter.fhirpath.folding import Folding
from adapter.fhirpath.functions import FUNCTIONS
from adapter.fhirpath.literals import literal, quantity
from adapter.fhirpath.members import first_name, step
from adapter.fhirpath.operands import integer_of
from adapter.fhirpath.operators import OPERATORS
from adapter.fhirpath.operators.arithmetic import sign
from adapter.fhirpath.signature import Site
from adapter.fhirpath.tree import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    QuantityLiteral,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
)
from adapter.fhirpath.typetest import type_test
from adapter.fhirpath.variables import special, this, variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.fhirpath.run import Run
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.values import Item


class Compiler(Compilation):
    """Compiles one expression for one type of context."""

    def __init__(
        self, text: str, environment_names: Iterable[str], *, strict: bool, is_foreign: bool
    ) -> None:
        super().__init__(text, environment_names, strict=strict, is_foreign=is_foreign)
        self._folding = Folding()
        self.types: dict[int, str] = {}
        """What is known of each node, by its identity; for explanation."""

    def visit(self, tree: Tree, scope: Scope) -> Code:
        """Compile `tree`; what it defines is not seen outside."""
        return self._walk(tree, scope)[0]

    def _walk(self, tree: Tree, scope: Scope) -> tuple[Code, Scope]:
        """Compile `tree`, and tell the scope that steps after it have."""
        after = scope
        match tree:
            case Literal():
                code = literal(self, tree)
            case QuantityLiteral():
                code = quantity(tree)
            case Variable():
                code = variable(self, tree, scope)
            case Special():
                code = special(self, tree, scope)
            case Member():
                code, after = self._member(tree, scope)
            case Call():
                code, after = self._call(tree, scope)
            case Indexer(target=target):
                source, after = self._walk(target, scope)
                code = self._indexer(tree, source, scope)
            case Unary(operand=operand):
                code = sign(self, tree, self.visit(operand, scope))
            case Binary(operator=operator):
                operands = [self.visit(operand, scope) for operand in tree.operands]
                code = OPERATORS[operator](self, tree, *operands)
            case TypeTest(operand=operand):
                code = type_test(self, tree, self.visit(operand, scope), tree.type, tree.operator)
            case _:
                raise AssertionError(type(tree))
        code.tree = tree
        self.types[id(tree)] = str(code.static)
        return self._folding.folded(tree, code), after

    def _member(self, tree: Member, scope: Scope) -> tuple[Code, Scope]:
        if tree.target is None:
            return first_name(self, tree, this(scope)), scope
        source, after = self._walk(tree.target, scope)
        return step(self, tree, source), after

    def _indexer(self, tree: Indexer, source: Code, scope: Scope) -> Code:
        self.demand_order(tree, source, "[]")
        index = integer_of(self, tree.index, self.visit(tree.index, scope), "[]")
        several = source.many

        def one(this: Item, run: Run) -> Item | None:
            place = index(this, run)
            if place is None:
                return None
            items = several(this, run)
            return items[place] if 0 <= place < len(items) else None

        return Code(source.static.one, one=one)

    def _call(self, tree: Call, scope: Scope) -> tuple[Code, Scope]:
        function = FUNCTIONS.get(tree.name)
        if function is None:
            raise self.fault("FP201", tree, name=tree.name, nearest=nearest(tree.name, FUNCTIONS))
        least, most, found = function.least, function.most, len(tree.arguments)
        if not least <= found <= most:
            raise self.fault("FP202", tree, name=tree.name, least=least, most=most, found=found)
        target, after = (this(scope), scope) if tree.target is None else self._walk(tree.target, scope)
        site = Site(compilation=self, tree=tree, target=target, scope=after, after=after)
        return function.build(site), site.after
