"""The functions' register, and what a function sees of the place it is called at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from adapter.fhirpath.faults import malformed, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.errors import AdapterError
    from adapter.fhirpath.code import Code, Static
    from adapter.fhirpath.compiler import Compiler
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.tree import Call, Tree
    from adapter.fhirpath.values import Item
    from adapter.outcome import Param


@dataclass(slots=True, kw_only=True)
class Site:
    """One call: its input, its arguments and the scope around them."""

    compiler: Compiler
    tree: Call
    target: Code
    scope: Scope
    """What the chain before the call has defined is seen here."""
    outer: Scope
    after: Scope | None = None
    """Set by a function that defines a variable."""

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        return self.tree.name

    @property
    def count(self) -> int:
        """How many arguments there are."""
        return len(self.tree.arguments)

    def fault(self, code: str, tree: Tree | None = None, **params: Param) -> AdapterError:
        """Make an error that names this place."""
        offset = (tree or self.tree).place
        return malformed(code, self.compiler.text, offset, **params)

    def missing(self, service: str) -> AdapterError:
        """Make the error for a callback that nobody gave."""
        return unsupported("FP305", self.compiler.text, self.tree.place, function=self.name, service=service)

    def value(self, index: int) -> Code:
        """Compile an argument that is a value: its focus is the focus around the call."""
        return self.compiler.visit(self.tree.arguments[index], self.scope)

    def body(
        self, index: int, this: Static | None = None, *, total: Static | None = None
    ) -> tuple[Code, bool]:
        """Compile an argument that is evaluated for each item; True beside it if it asks for `$index`."""
        compiler = self.compiler
        before, compiler.uses_index = compiler.uses_index, False
        scope = self.scope.inside((this or self.target.static).one)
        if total is not None:
            from dataclasses import replace

            scope = replace(scope, total=total)
        code = compiler.visit(self.tree.arguments[index], scope)
        used, compiler.uses_index = compiler.uses_index, before
        return code, used

    def input(self) -> Code:
        """The input as a scalar: several items are an error of the run."""
        return self.compiler.at_most_one(self.tree, self.target, self.name)

    def argument(self, index: int) -> Code:
        """An argument as a scalar."""
        return self.compiler.at_most_one(self.tree.arguments[index], self.value(index), self.name)

    def system(self, code: Code) -> Callable[[Item, Run], Item | None]:
        """A scalar of System values: FHIR primitives unwrapped, dates read."""
        from adapter.fhirpath.operators import system_one

        return system_one(self.compiler, code)

    def demand_order(self) -> None:
        """Refuse, in strict mode, an input whose order means nothing."""
        self.compiler.demand_order(self.tree, self.target, self.name)


@dataclass(frozen=True, slots=True)
class Function:
    """One function: how many arguments it takes, and what compiles a call of it."""

    name: str
    least: int
    most: int
    build: Callable[[Site], Code]


FUNCTIONS: dict[str, Function] = {}
"""Every function by name; filled by the modules of `functions/`."""


def function(
    name: str, least: int = 0, most: int | None = None
) -> Callable[[Callable[[Site], Code]], Callable[[Site], Code]]:
    """Enter what compiles the calls of a function into the register."""

    def enter(build: Callable[[Site], Code]) -> Callable[[Site], Code]:
        FUNCTIONS[name] = Function(name, least, least if most is None else most, build)
        return build

    return enter
