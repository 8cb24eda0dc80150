"""One compilation: what every node of an expression is compiled with.

Operators, steps and functions see the compiler only as this: the text they may complain about, what is
strict, and `visit` for the nodes below them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from adapter.fhirpath.faults import malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapter.errors import AdapterError
    from adapter.fhirpath.code import Code
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.tree import Tree
    from adapter.outcome import Param


class Compilation(ABC):
    """The compilation of one expression for one type of context."""

    def __init__(
        self, text: str, environment_names: Iterable[str], *, strict: bool, is_foreign: bool
    ) -> None:
        self.text = text
        self.environment_names = frozenset(environment_names)
        self.strict = strict
        self.is_foreign = is_foreign
        """True if the expression may be asked of trees that are not FHIR."""
        self.uses_index = False
        """Set when `$index` is met."""
        self._slots = 0

    @abstractmethod
    def visit(self, tree: Tree, scope: Scope) -> Code:
        """Compile `tree`; what it defines is not seen outside."""

    def slot(self) -> int:
        """Give out a number for a variable or a remembered value of a run."""
        self._slots += 1
        return self._slots

    def fault(self, code: str, tree: Tree, **params: Param) -> AdapterError:
        """Make the error that names a place of the expression."""
        return malformed(code, self.text, tree.place, **params)

    def demand_order(self, tree: Tree, target: Code, function: str) -> None:
        """Refuse, in strict mode, to ask for the order of items that have none."""
        if self.strict and not target.static.is_ordered:
            raise self.fault("FP207", tree, function=function)
