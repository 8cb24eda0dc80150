"""The functions' register, and what a function sees of the place it is called at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from adapter.fhirpath.faults import malformed, unsupported
from adapter.fhirpath.operands import at_most_one, integer_of, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.errors import AdapterError
    from adapter.fhirpath.code import Code, Static
    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.operands import ScalarClosure, Truth
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.tree import Call, Tree
    from adapter.outcome import Param


@dataclass(slots=True, kw_only=True)
class Site:
    """One call: its input, its arguments and the scope around them."""

    compilation: Compilation
    tree: Call
    target: Code
    scope: Scope
    """What the chain before the call has defined is seen here."""
    after: Scope
    """What the steps after the call see: the same, unless the function defines a variable."""

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
        return malformed(code, self.compilation.text, (tree or self.tree).place, **params)

    def missing(self, service: str) -> AdapterError:
        """Make the error for a callback that nobody gave."""
        text, place = self.compilation.text, self.tree.place
        return unsupported("FP305", text, place, function=self.name, service=service)

    def input(self) -> Code:
        """The input as a scalar: several items are an error of the run."""
        return at_most_one(self.compilation, self.tree, self.target, self.name)

    def value(self, index: int) -> Code:
        """Compile an argument that is a value: its focus is the focus around the call."""
        return self.compilation.visit(self.tree.arguments[index], self.scope)

    def argument(self, index: int) -> Code:
        """An argument as a scalar."""
        return at_most_one(self.compilation, self.tree.arguments[index], self.value(index), self.name)

    def integer(self, index: int) -> ScalarClosure:
        """An argument as a whole number; another type is an error of the run, FP303."""
        return integer_of(self.compilation, self.tree.arguments[index], self.value(index), self.name)

    def body(
        self, index: int, this: Static | None = None, *, total: Static | None = None
    ) -> tuple[Code, bool]:
        """Compile an argument that is evaluated for each item; True beside it if it asks for `$index`."""
        compilation = self.compilation
        before, compilation.uses_index = compilation.uses_index, False
        scope = self.scope.inside((this or self.target.static).one)
        if total is not None:
            scope = replace(scope, total=total)
        code = compilation.visit(self.tree.arguments[index], scope)
        used, compilation.uses_index = compilation.uses_index, before
        return code, used

    def condition(self, index: int) -> tuple[Truth, bool]:
        """Compile an argument as a test of each item; True beside it if it asks for `$index`."""
        code, uses_index = self.body(index)
        return truth(self.compilation, self.tree.arguments[index], code, self.name), uses_index

    def demand_order(self) -> None:
        """Refuse, in strict mode, an input whose order means nothing."""
        self.compilation.demand_order(self.tree, self.target, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function: how many arguments it takes, and what compiles a call of it."""

    name: str
    least: int
    most: int
    build: Callable[[Site], Code]
    is_pure: bool = True
    """False if its result depends on more than its input and arguments."""
    takes_type: bool = False
    """True if its argument is the name of a type, which is not evaluated."""


FUNCTIONS: dict[str, Function] = {}
"""Every function by name; filled by the modules of `functions/`."""


def function(
    name: str, least: int = 0, most: int | None = None, *, is_pure: bool = True, takes_type: bool = False
) -> Callable[[Callable[[Site], Code]], Callable[[Site], Code]]:
    """Enter what compiles the calls of a function into the register."""

    def enter(build: Callable[[Site], Code]) -> Callable[[Site], Code]:
        FUNCTIONS[name] = Function(
            name=name,
            least=least,
            most=least if most is None else most,
            build=build,
            is_pure=is_pure,
            takes_type=takes_type,
        )
        return build

    return enter
