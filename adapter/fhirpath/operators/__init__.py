"""The operators between two operands, by theme, and the table the compiler finds them in.

Each is compiled from the node and the pieces of its operands: two, or all of a chain of `and`, `or` or `|`.
Every operator has a quick way for the types that are known before it runs, and one way for the rest.
FHIRPath 2.0.0, "Operations".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.operators.arithmetic import arithmetic, concatenation
from adapter.fhirpath.operators.collections import contains, in_, union
from adapter.fhirpath.operators.comparison import comparison
from adapter.fhirpath.operators.equality import equality, equivalence
from adapter.fhirpath.operators.logic import conjunction, implies, xor

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.code import Code

OPERATORS: dict[str, Callable[..., Code]] = {
    "and": conjunction,
    "or": conjunction,
    "xor": xor,
    "implies": implies,
    "=": equality,
    "!=": equality,
    "~": equivalence,
    "!~": equivalence,
    "<": comparison,
    "<=": comparison,
    ">": comparison,
    ">=": comparison,
    "|": union,
    "in": in_,
    "contains": contains,
    "+": arithmetic,
    "-": arithmetic,
    "*": arithmetic,
    "/": arithmetic,
    "div": arithmetic,
    "mod": arithmetic,
    "&": concatenation,
}
"""What compiles each operator, of the compilation, the node and its operands."""
