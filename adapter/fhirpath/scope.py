"""What is known at one place of an expression: the focus, and the variables in reach."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapter.fhirpath.code import Static


@dataclass(frozen=True, slots=True)
class Scope:
    """The focus (`$this`) and the variables that `defineVariable` made before this place."""

    this: Static
    variables: Mapping[str, tuple[int, Static]] = field(default_factory=dict)
    this_is_list: bool = False
    """True where `$this` stands for a whole collection: it is a Python list then."""
    total: Static | None = None
    """Inside aggregate(): what is known of `$total`."""
    has_index: bool = False
    """True inside a function that visits items one by one."""

    def inside(self, this: Static, *, this_is_list: bool = False, has_index: bool = True) -> Scope:
        """The scope of a function's argument that is evaluated for each item."""
        return replace(self, this=this, this_is_list=this_is_list, has_index=has_index)

    def with_variable(self, name: str, slot: int, static: Static) -> Scope:
        """The scope after `defineVariable(name)`."""
        return replace(self, variables={**self.variables, name: (slot, static)})
