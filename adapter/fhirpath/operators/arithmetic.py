"""Sums: `+`, `-`, `*`, `/`, `div`, `mod`, `&`, and the signs. FHIRPath 2.0.0, "Math"."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import numbers, quantities, temporal
from adapter.fhirpath.code import DECIMAL, INTEGER, STRING, Code, Static, constant, single
from adapter.fhirpath.equality import as_quantity
from adapter.fhirpath.faults import malformed
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import UNIT_STEPS, at_most_one, paired, said, system_one
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.values import Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Binary, Unary
    from adapter.fhirpath.values import Item

_NUMERIC = frozenset({"Integer", "Decimal"})
_TEMPORAL = frozenset({"Date", "DateTime", "Time"})
_OF_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "+": numbers.add,
    "-": numbers.subtract,
    "*": numbers.multiply,
    "/": numbers.divide,
    "div": numbers.whole_divide,
    "mod": numbers.remainder,
}
_OF_QUANTITIES: dict[str, Callable[[Quantity, Quantity], Quantity | None]] = {
    "+": quantities.add,
    "-": quantities.subtract,
    "*": quantities.multiply,
    "/": quantities.divide,
}
_DIRECTION = {"+": 1, "-": -1}
"""Which way a date is moved."""


def sign(compilation: Compilation, tree: Unary, operand: Code) -> Code:
    """Compile `+` or `-` in front of a number. Raises Malformed FP213 for another type."""
    is_minus = tree.operator == "-"
    if operand.constant and operand.static.only in ("System.Integer", "System.Decimal"):
        value = operand.constant[0]
        turned = numbers.negated(value) if is_minus else value
        return constant([] if turned is None else [turned], (operand.static.only,))
    if compilation.strict and operand.static.types:
        systems = {system_of(kind) for kind in operand.static.types}
        if systems.isdisjoint({"Integer", "Decimal", "Quantity"}):
            raise compilation.fault("FP213", tree, operator=tree.operator, found=str(operand.static.one))
    inner = system_one(at_most_one(compilation, tree.operand, operand, tree.operator))
    text, offset, operator = compilation.text, tree.span.start, tree.operator

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None:
            return None
        if isinstance(item, Quantity):
            return quantities.negated(item) if is_minus else item
        if _is_number(item):
            return numbers.negated(item) if is_minus else item
        expected = "Integer | Decimal"
        raise malformed("FP303", text, offset, function=operator, expected=expected, found=said(item))

    kind = system_of(operand.static.only)
    known = kind if kind in ("Integer", "Decimal", "Quantity") else None
    return Code(Static((f"System.{known}",) if known else None, is_single=True), one=one)


def _is_number(item: Item) -> bool:
    return isinstance(item, (int, Decimal)) and item.__class__ is not bool


def arithmetic(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile a sum, difference, product, quotient or remainder. Raises Malformed FP214."""
    operator = tree.operator
    if left.static.types == () or right.static.types == ():
        return constant([], ())
    first = system_one(at_most_one(compilation, tree.left, left, operator))
    second = system_one(at_most_one(compilation, tree.right, right, operator))
    kinds = system_of(left.static.only), system_of(right.static.only)
    text, offset = compilation.text, tree.place
    static = _static(operator, *kinds)

    def impossible(item: Item, other: Item) -> Exception:
        return malformed("FP302", text, offset, operator=operator, left=said(item), right=said(other))

    if kinds[0] in _NUMERIC and kinds[1] in _NUMERIC:
        compute = _OF_NUMBERS[operator]

        def of_numbers(item: Item, other: Item) -> Item | None:
            if isinstance(item, (int, Decimal)) and isinstance(other, (int, Decimal)):
                return compute(item, other)
            raise impossible(item, other)

        return Code(static, one=paired(first, second, of_numbers))
    if compilation.strict and None not in kinds and not _can_compute(operator, *kinds):
        raise compilation.fault("FP214", tree, operator=operator, left=kinds[0], right=kinds[1])

    def one(this: Item, run: Run) -> Item | None:
        item, other = first(this, run), second(this, run)
        if item is None or other is None:
            return None
        try:
            return _computed(operator, item, other, run)
        except _Impossible:
            raise impossible(item, other) from None
        except _NoCalendar:
            raise malformed("FP304", text, offset, operator=operator) from None

    return Code(static, one=one)


def _static(operator: str, left: str | None, right: str | None) -> Static:
    if left in _NUMERIC and right in _NUMERIC:
        if operator == "/":
            return DECIMAL
        return INTEGER if operator == "div" or left == right == "Integer" else DECIMAL
    if left == "String" and operator == "+":
        return STRING
    if left in _TEMPORAL:
        return single(f"System.{left}")
    return Static(None, is_single=True)


def _can_compute(operator: str, left: str | None, right: str | None) -> bool:
    if left in _TEMPORAL:
        return operator in _DIRECTION and right == "Quantity"
    if "String" in (left, right):
        return operator == "+" and left == right
    return "Boolean" not in (left, right) and right not in _TEMPORAL


class _Impossible(Exception):
    """The two types cannot be summed: the caller says where."""


class _NoCalendar(Exception):
    """A date was to be moved by a unit that is no calendar duration: the caller says where."""


def _computed(operator: str, left: Item, right: Item, run: Run) -> Item | None:
    if _is_number(left) and _is_number(right):
        return _OF_NUMBERS[operator](left, right)
    if isinstance(left, str) and isinstance(right, str) and operator == "+":
        run.write(len(left) + len(right))
        return left + right
    if isinstance(left, Temporal) and isinstance(right, Quantity) and operator in _DIRECTION:
        word = quantities.calendar_word(right)
        if word is None:
            raise _NoCalendar
        return temporal.add(left, _DIRECTION[operator] * right.value, word)
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        run.charge(UNIT_STEPS)
        one, other = as_quantity(left), as_quantity(right)
        if one is not None and other is not None and operator in _OF_QUANTITIES:
            return _OF_QUANTITIES[operator](one, other)
    raise _Impossible


def concatenation(compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `&`: as `+` on strings, with nothing for an empty operand."""
    first = system_one(at_most_one(compilation, tree.left, left, "&"))
    second = system_one(at_most_one(compilation, tree.right, right, "&"))
    text, offset = compilation.text, tree.place

    def one(this: Item, run: Run) -> str:
        item, other = first(this, run), second(this, run)
        item = "" if item is None else item
        other = "" if other is None else other
        if not (isinstance(item, str) and isinstance(other, str)):
            wrong = other if isinstance(item, str) else item
            raise malformed("FP303", text, offset, function="&", expected="String", found=said(wrong))
        run.write(len(item) + len(other))
        return item + other

    return Code(STRING, one=one)
