"""What an expression is made of: the syntax tree, each node with the place it was read from.

Parentheses are not kept; the printer puts back those that are needed. Two trees are equal if they say the
same, wherever they were read. FHIRPath 2.0.0, grammar.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as Lit

Kind = Lit["empty", "boolean", "integer", "decimal", "string", "date", "dateTime", "time"]


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where in the text, as offsets; `end` is the first one past it."""

    start: int
    end: int


NOWHERE = Span(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Any node."""

    span: Span = field(default=NOWHERE, compare=False)

    @property
    def place(self) -> int:
        """Where a message points to."""
        return self.span.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Tree):
    """A value as written. `text` is the string without quotes and escapes, else the literal itself.

    The text of dates and times goes without the leading `@` (and `T`, for a time).
    """

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityLiteral(Tree):
    """A number with a unit: UCUM in quotes, or a calendar word such as `days`."""

    value: str
    unit: str
    is_calendar: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Tree):
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Special(Tree):
    """One of `$this`, `$index` and `$total`; `name` goes without the dollar."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Tree):
    """A name, perhaps after a dot; without `target` it is asked of what stands in focus."""

    target: Tree | None
    name: str
    name_at: int = field(default=0, compare=False)
    """Where the name itself stands, after the path before it."""

    @property
    def place(self) -> int:
        """Where a message points to."""
        return self.name_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(Step):
    """An element by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Step):
    """A function."""

    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer(Tree):
    """`target[index]`."""

    target: Tree
    index: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Unary(Tree):
    """`+` or `-` in front."""

    operator: str
    operand: Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Tree):
    """Two operands and the operator between them."""

    operator: str
    left: Tree
    right: Tree

    @property
    def operands(self) -> tuple[Tree, ...]:
        """Left and right; of a chain of one of `and`, `or` and `|`, all operands from left to right."""
        if self.operator not in _CHAINING:
            return self.left, self.right
        found: list[Tree] = []
        step: Tree = self
        while isinstance(step, Binary) and step.operator == self.operator:
            found.append(step.right)
            step = step.left
        return (step, *reversed(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeTest(Tree):
    """`operand is type` or `operand as type`; the type's name may be qualified (`FHIR.Patient`)."""

    operator: str
    operand: Tree
    type: str


_CHAINING = frozenset({"and", "or", "|"})
"""Operators of which it makes no difference where the brackets stand."""

CALENDAR_UNITS = {
    word: word.removesuffix("s")
    for singular in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for word in (singular, f"{singular}s")
}
"""Every word for a calendar duration, with its singular."""
