"""Operators, compiled: logic of three values, equality, order, sums, membership and union.

Every operator has a quick way for the types that are known before it runs, and one way for the rest.
FHIRPath 2.0.0, "Operations".
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.fhirpath import equality, numbers, temporal, units
from adapter.fhirpath.code import BOOLEAN, DECIMAL, INTEGER, STRING, Code, Static, constant, single
from adapter.fhirpath.faults import malformed
from adapter.fhirpath.plain import system_of, type_of
from adapter.fhirpath.temporal import Temporal
from adapter.fhirpath.tree import Binary, Tree, Unary
from adapter.fhirpath.values import Element, Quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.fhirpath.compiler import Compiler
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.scope import Scope
    from adapter.fhirpath.values import Item

    ScalarClosure = Callable[[Item, Run], Item | None]


_ELEMENT_STEPS = 16
"""What it may cost to compare two elements with parts."""
UNIT_STEPS = 50
"""What it may cost to find out what a unit measures."""


def system_one(compiler: Compiler, code: Code) -> ScalarClosure:
    """A scalar closure of System values. `code` must be a scalar."""
    inner = code.one
    if code.constant is not None:
        return inner
    convert = compiler.converter(code.static)
    only = code.static.only
    if only is not None and only.startswith("System."):
        return inner

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        return None if item is None else convert(item)

    from adapter.fhirpath.compiler import _unwrap

    if convert is _unwrap:
        # The usual case, strings and booleans, without a call for each value.
        def unwrapped(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return item.value if item.__class__ is Element else item

        return unwrapped
    return one


def system_many(compiler: Compiler, code: Code) -> Callable[[Item, Run], list[Item]]:
    """A list closure of System values."""
    several = code.many
    if code.constant is not None:
        return several
    only = code.static.only
    if only is not None and only.startswith("System."):
        return several
    convert = compiler.converter(code.static)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        return [value for item in items if (value := convert(item)) is not None] if items else items

    return many


def integer_of(compiler: Compiler, code: Code, tree: Tree, function: str) -> ScalarClosure:
    """A scalar closure that gives an Integer or nothing; anything else is an error, FP303."""
    inner = system_one(compiler, compiler.at_most_one(tree, code, function))
    if code.static.only == "System.Integer":
        return inner
    text, offset = compiler.text, tree.place

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None or item.__class__ is int:
            return item
        if isinstance(item, Decimal) and item == item.to_integral_value():
            return int(item)
        raise malformed("FP303", text, offset, function=function, expected="Integer", found=said(item))

    return one


def said(item: Item) -> str:
    """Name the type of an item for a message, never the item."""
    return (type_of(item) or "Element").removeprefix("System.")


def truth(compiler: Compiler, code: Code, tree: Tree, function: str) -> Callable[[Item, Run], bool | None]:
    """A closure that gives True, False or None for a condition.

    One item that is no Boolean counts as True; several are an error, FP301.
    FHIRPath 2.0.0, "Singleton Evaluation of Collections".
    """
    scalar = compiler.at_most_one(tree, code, function)
    inner = system_one(compiler, scalar)
    if code.static.only == "System.Boolean":
        return inner
    raw = scalar.one

    def boolean(this: Item, run: Run) -> bool | None:
        item = inner(this, run)
        if item is None:
            # A primitive that only has extensions is an item, though it has no value.
            return None if code.static.only == "boolean" or raw(this, run) is None else True
        return item if item.__class__ is bool else True

    if code.static.only == "boolean":

        def from_boolean(this: Item, run: Run) -> bool | None:
            item = inner(this, run)
            return item if item is None or item.__class__ is bool else True

        return from_boolean
    return boolean


# -- signs


def signed(compiler: Compiler, tree: Unary, operand: Code) -> Code:
    """Compile `+` or `-` in front of a number."""
    is_minus = tree.operator == "-"
    if operand.constant and operand.static.only in ("System.Integer", "System.Decimal"):
        value = operand.constant[0]
        turned = numbers.negated(value) if is_minus else value
        return constant([] if turned is None else [turned], (operand.static.only,))
    if compiler.strict and operand.static.types:
        systems = {system_of(kind) for kind in operand.static.types}
        if systems.isdisjoint({"Integer", "Decimal", "Quantity"}) and not operand.static.types == ():
            raise compiler.fault("FP213", tree, operator=tree.operator, found=str(operand.static.one))
    inner = system_one(compiler, compiler.at_most_one(tree.operand, operand, tree.operator))
    text, offset, operator = compiler.text, tree.span.start, tree.operator

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None:
            return None
        if item.__class__ is bool or not isinstance(item, (int, Decimal, Quantity)):
            raise malformed(
                "FP303", text, offset, function=operator, expected="Integer | Decimal", found=said(item)
            )
        if isinstance(item, Quantity):
            if not is_minus:
                return item
            return Quantity(Decimal(numbers.negated(item.value) or 0), item.unit, item.is_calendar)
        return numbers.negated(item) if is_minus else item

    kind = system_of(operand.static.only)
    known = kind if kind in ("Integer", "Decimal", "Quantity") else None
    return Code(Static((f"System.{known}",) if known else None, is_single=True), one=one)


# -- dispatch


def binary(compiler: Compiler, tree: Binary, scope: Scope) -> Code:
    """Compile an operator between two operands."""
    operator = tree.operator
    if operator in ("and", "or", "|"):
        operands = [compiler.visit(operand, scope) for operand in chained(tree, operator)]
        if operator == "|":
            return union(compiler, tree, operands)
        return _conjunction(compiler, tree, operands)
    left, right = compiler.visit(tree.left, scope), compiler.visit(tree.right, scope)
    return _OPERATORS[operator](compiler, tree, left, right)


def chained(tree: Binary, operator: str) -> list[Tree]:
    """The operands of a chain of one associative operator, from left to right."""
    operands: list[Tree] = []
    step: Tree = tree
    while isinstance(step, Binary) and step.operator == operator:
        operands.append(step.right)
        step = step.left
    return [step, *reversed(operands)]


# -- logic


def _conjunction(compiler: Compiler, tree: Binary, operands: list[Code]) -> Code:
    """Compile `and` and `or` over any number of operands, stopping where the answer is certain."""
    name = tree.operator
    certain = name == "or"
    tests = [truth(compiler, code, code.tree or tree, name) for code in operands]
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


def _xor(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    first = truth(compiler, left, tree.left, "xor")
    second = truth(compiler, right, tree.right, "xor")

    def one(this: Item, run: Run) -> bool | None:
        a, b = first(this, run), second(this, run)
        return None if a is None or b is None else a is not b

    return Code(BOOLEAN, one=one)


def _implies(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    first = truth(compiler, left, tree.left, "implies")
    second = truth(compiler, right, tree.right, "implies")

    def one(this: Item, run: Run) -> bool | None:
        a = first(this, run)
        if a is False:
            return True
        b = second(this, run)
        if a is True:
            return b
        return True if b is True else None

    return Code(BOOLEAN, one=one)


# -- equality


def _is_text(code: Code) -> bool:
    return system_of(code.static.only) == "String"


def _is_exact(code: Code) -> bool:
    """True if Python's own `==` on System values is FHIRPath's."""
    return system_of(code.static.only) in ("String", "Integer", "Boolean", "Decimal")


def _equal(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    return _equality(compiler, tree, left, right, negate=False)


def _unequal(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    return _equality(compiler, tree, left, right, negate=True)


def _equality(compiler: Compiler, tree: Binary, left: Code, right: Code, *, negate: bool) -> Code:
    if left.static.types == () or right.static.types == ():
        return constant([], ("System.Boolean",))
    if not (left.is_scalar and right.is_scalar):
        return _collection_equality(compiler, left, right, negate=negate)
    first, second = system_one(compiler, left), system_one(compiler, right)
    same_kind = system_of(left.static.only) == system_of(right.static.only)
    if same_kind and _is_exact(left):
        if right.constant:
            value = right.constant[0]

            def to_constant(this: Item, run: Run) -> bool | None:
                one = first(this, run)
                return None if one is None else (one == value) is not negate

            return Code(BOOLEAN, one=to_constant)

        def exact(this: Item, run: Run) -> bool | None:
            one = first(this, run)
            if one is None:
                return None
            other = second(this, run)
            return None if other is None else (one == other) is not negate

        return Code(BOOLEAN, one=exact)
    equal = equality.equal

    def general(this: Item, run: Run) -> bool | None:
        one = first(this, run)
        if one is None:
            return None
        other = second(this, run)
        if other is None:
            return None
        if one.__class__ is Quantity:
            run.charge(UNIT_STEPS)
        answer = equal(one, other)
        return answer if answer is None else answer is not negate

    return Code(BOOLEAN, one=general)


def _collection_equality(compiler: Compiler, left: Code, right: Code, *, negate: bool) -> Code:
    if left.is_scalar:
        left, right = right, left
    if right.is_scalar and _is_exact(left) and system_of(left.static.only) == system_of(right.static.only):
        return _of_many_and_one(compiler, left, right, negate=negate)
    first, second = system_many(compiler, left), system_many(compiler, right)
    equal = equality.collections_equal

    def collections(this: Item, run: Run) -> bool | None:
        ones = first(this, run)
        if not ones:
            return None
        others = second(this, run)
        run.left -= len(ones)
        if run.left < 0:
            run.pay()
        answer = equal(ones, others)
        return answer if answer is None else answer is not negate

    return Code(BOOLEAN, one=collections)


def _of_many_and_one(compiler: Compiler, left: Code, right: Code, *, negate: bool) -> Code:
    """Compile `coding.code = 'x'`: several on one side are unequal whatever they are."""
    several, second = left.many, system_one(compiler, right)

    def many_and_one(this: Item, run: Run) -> bool | None:
        items = several(this, run)
        if not items:
            return None
        other = second(this, run)
        if other is None:
            return None
        if len(items) > 1:
            return negate
        item = items[0]
        if item.__class__ is Element:
            item = item.value
            if item is None:
                return None
        return (item == other) is not negate

    return Code(BOOLEAN, one=many_and_one)


def _equivalent(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    first, second = system_many(compiler, left), system_many(compiler, right)
    negate = tree.operator == "!~"

    def one(this: Item, run: Run) -> bool | None:
        ones, others = first(this, run), second(this, run)
        pairs = len(ones) * len(others)
        run.charge(pairs * _ELEMENT_STEPS if pairs and isinstance(ones[0], dict) else pairs)
        return equality.collections_equivalent(ones, others) is not negate

    return Code(BOOLEAN, one=one)


# -- order

_HOLDS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    ">=": lambda order: order >= 0,
}
_NATIVE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}
_NUMERIC = ("Integer", "Decimal")


def _ordered(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    operator = tree.operator
    if left.static.types == () or right.static.types == ():
        return constant([], ("System.Boolean",))
    first = system_one(compiler, compiler.at_most_one(tree.left, left, operator))
    second = system_one(compiler, compiler.at_most_one(tree.right, right, operator))
    kinds = system_of(left.static.only), system_of(right.static.only)
    if compiler.strict and None not in kinds and not _have_order(*kinds):
        raise compiler.fault("FP214", tree, operator=operator, left=kinds[0], right=kinds[1])
    text, offset = compiler.text, tree.place
    if kinds[0] in _NUMERIC and kinds[1] in _NUMERIC and "System." in str(left.static) + str(right.static):
        native = _NATIVE[operator]
        if kinds[0] == kinds[1] and all(
            code.static.only is not None and code.static.only.startswith("System.") for code in (left, right)
        ):

            def of_numbers(this: Item, run: Run) -> bool | None:
                one = first(this, run)
                if one is None:
                    return None
                other = second(this, run)
                return None if other is None else native(one, other)

            return Code(BOOLEAN, one=of_numbers)
    holds = _HOLDS[operator]
    order = equality.order

    def one(this: Item, run: Run) -> bool | None:
        item = first(this, run)
        if item is None:
            return None
        other = second(this, run)
        if other is None:
            return None
        if item.__class__ is Quantity:
            run.charge(UNIT_STEPS)
        try:
            found = order(item, other)
        except equality.NotComparable:
            raise malformed(
                "FP302", text, offset, operator=operator, left=said(item), right=said(other)
            ) from None
        return None if found is None else holds(found)

    return Code(BOOLEAN, one=one)


def _have_order(left: str | None, right: str | None) -> bool:
    families = ({"String"}, {"Integer", "Decimal", "Quantity"}, {"Date", "DateTime"}, {"Time"})
    return any(left in family and right in family for family in families)


# -- sums

_SUMS: dict[str, Callable[[Any, Any], Any]] = {
    "+": numbers.add,
    "-": numbers.subtract,
    "*": numbers.multiply,
    "/": numbers.divide,
    "div": numbers.whole_divide,
    "mod": numbers.remainder,
}


def _arithmetic(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    operator = tree.operator
    if left.static.types == () or right.static.types == ():
        return constant([], ())
    first = system_one(compiler, compiler.at_most_one(tree.left, left, operator))
    second = system_one(compiler, compiler.at_most_one(tree.right, right, operator))
    on_numbers = _SUMS[operator]
    kinds = system_of(left.static.only), system_of(right.static.only)
    text, offset = compiler.text, tree.place
    static = _sum_static(operator, *kinds)
    if kinds[0] in _NUMERIC and kinds[1] in _NUMERIC:

        def of_numbers(this: Item, run: Run) -> Item | None:
            one = first(this, run)
            if one is None:
                return None
            other = second(this, run)
            if other is None:
                return None
            if isinstance(one, (int, Decimal)) and isinstance(other, (int, Decimal)):
                return on_numbers(one, other)
            raise malformed("FP302", text, offset, operator=operator, left=said(one), right=said(other))

        return Code(static, one=of_numbers)
    if compiler.strict and None not in kinds and not _can_compute(operator, *kinds):
        raise compiler.fault("FP214", tree, operator=operator, left=kinds[0], right=kinds[1])

    def one(this: Item, run: Run) -> Item | None:
        item, other = first(this, run), second(this, run)
        if item is None or other is None:
            return None
        result = _computed(operator, item, other, run)
        if result is NotImplemented:
            raise malformed("FP302", text, offset, operator=operator, left=said(item), right=said(other))
        if result is _NO_CALENDAR:
            raise malformed("FP304", text, offset, operator=operator)
        return result

    return Code(static, one=one)


_NO_CALENDAR = object()
"""A date was to be moved by a unit that is no calendar duration."""


def _sum_static(operator: str, left: str | None, right: str | None) -> Static:
    if left in _NUMERIC and right in _NUMERIC:
        if operator == "/":
            return DECIMAL
        return INTEGER if operator == "div" or left == right == "Integer" else DECIMAL
    if left == "String" and operator == "+":
        return STRING
    if left in ("Date", "DateTime", "Time"):
        return single(f"System.{left}")
    return Static(None, is_single=True)


def _can_compute(operator: str, left: str | None, right: str | None) -> bool:
    if left in ("Date", "DateTime", "Time"):
        return operator in "+-" and right == "Quantity"
    if "String" in (left, right):
        return operator == "+" and left == right
    return "Boolean" not in (left, right) and right not in ("Date", "DateTime", "Time")


def _computed(operator: str, left: Item, right: Item, run: Run) -> Any:  # noqa: ANN401
    if isinstance(left, bool) or isinstance(right, bool):
        return NotImplemented
    if isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal)):
        return _SUMS[operator](left, right)
    if isinstance(left, str) and isinstance(right, str) and operator == "+":
        run.write(len(left) + len(right))
        return left + right
    if isinstance(left, Temporal) and isinstance(right, Quantity) and operator in ("+", "-"):
        return _moved(left, right, -1 if operator == "-" else 1)
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        run.charge(UNIT_STEPS)
        one, other = equality.as_quantity(left), equality.as_quantity(right)
        if one is not None and other is not None:
            return _quantities(operator, one, other)
    return NotImplemented


def _moved(moment: Temporal, amount: Quantity, sign: int) -> Any:  # noqa: ANN401
    """Move a date by a calendar duration; definite units up to weeks mean the same, longer ones do not."""
    if amount.is_calendar:
        word: str | None = amount.unit
    else:
        word = units.CALENDAR_OF_UCUM.get(amount.unit)
        if amount.unit in ("a", "mo"):
            word = None
    return _NO_CALENDAR if word is None else temporal.add(moment, sign * amount.value, word)


def _quantities(operator: str, left: Quantity, right: Quantity) -> Any:  # noqa: ANN401
    if operator in ("+", "-"):
        same = left.unit == right.unit and left.is_calendar == right.is_calendar
        other = right if same else equality.converted(right, left.unit)
        if other is None:
            return None
        value = _SUMS[operator](left.value, other.value)
        return None if value is None else Quantity(value, left.unit, left.is_calendar)
    if operator == "*":
        value = numbers.multiply(left.value, right.value)
        unit = _product(left.unit, right.unit)
    elif operator == "/":
        return _quotient(left, right)
    else:
        return NotImplemented
    return None if value is None or unit is None else Quantity(Decimal(value), unit)


def _ucum(quantity: Quantity) -> str:
    return units.UCUM_OF_CALENDAR[quantity.unit] if quantity.is_calendar else quantity.unit


def _product(left: str, right: str) -> str:
    if left == "1":
        return right
    if right == "1":
        return left
    return f"{left}2" if left == right and left.isalpha() else f"{left}.{right}"


def _quotient(left: Quantity, right: Quantity) -> Quantity | None:
    one, other = Quantity(left.value, _ucum(left)), Quantity(right.value, _ucum(right))
    if one.unit == other.unit:
        value = numbers.divide(one.value, other.value)
        return None if value is None else Quantity(value, "1")
    alike = equality.converted(other, one.unit) if other.unit != "1" else None
    if alike is not None:
        value = numbers.divide(one.value, alike.value)
        return None if value is None else Quantity(value, "1")
    value = numbers.divide(one.value, other.value)
    if value is None:
        return None
    if other.unit == "1":
        return Quantity(value, left.unit, left.is_calendar)
    below = f"({other.unit})" if "." in other.unit or "/" in other.unit else other.unit
    return Quantity(value, f"{'' if one.unit == '1' else one.unit}/{below}")


def _concatenation(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `&`: as `+` on strings, with nothing for an empty operand."""
    first = system_one(compiler, compiler.at_most_one(tree.left, left, "&"))
    second = system_one(compiler, compiler.at_most_one(tree.right, right, "&"))
    text, offset = compiler.text, tree.place

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


# -- membership and union


def _in(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    return _membership(compiler, tree, left, right, tree.left)


def _contains(compiler: Compiler, tree: Binary, left: Code, right: Code) -> Code:
    return _membership(compiler, tree, right, left, tree.right)


def _membership(compiler: Compiler, tree: Binary, item: Code, items: Code, place: Tree) -> Code:
    if item.static.types == ():
        return constant([], ("System.Boolean",))
    first = system_one(compiler, compiler.at_most_one(place, item, tree.operator))
    if items.constant is not None and _is_text(item):
        texts = frozenset(value for value in items.constant if isinstance(value, str))

        def of_texts(this: Item, run: Run) -> bool | None:
            found = first(this, run)
            return None if found is None else found in texts

        return Code(BOOLEAN, one=of_texts)
    second = system_many(compiler, items)
    equal = equality.equal

    def one(this: Item, run: Run) -> bool | None:
        found = first(this, run)
        if found is None:
            return None
        others = second(this, run)
        run.left -= len(others)
        if run.left < 0:
            run.pay()
        return any(equal(found, other) for other in others)

    return Code(BOOLEAN, one=one)


def union(compiler: Compiler, tree: Tree, operands: list[Code]) -> Code:
    """Compile `|`: all items of all operands, equal ones once."""
    operands = [code for code in operands if code.static.types != ()]
    if not operands:
        return constant([], ())
    static = operands[0].static
    for code in operands[1:]:
        static = compiler.joined(static, code.static, is_ordered=True)
    ordered = all(code.static.is_ordered for code in operands)
    static = Static(static.types, is_ordered=ordered)
    if static.only is None:
        operands = [compiler.boxed(code) for code in operands]
    distinct = distinct_items(compiler, static)
    if all(code.constant is not None for code in operands):
        items = [item for code in operands for item in code.constant or ()]
        return constant(distinct(items), static.types or ())
    closures = [code.many for code in operands]

    def many(this: Item, run: Run) -> list[Item]:
        together: list[Item] = []
        for closure in closures:
            together += closure(this, run)
        run.hold(len(together))
        return distinct(together)

    return Code(static, many=many)


def distinct_items(compiler: Compiler, static: Static) -> Callable[[list[Item]], list[Item]]:
    """What keeps the first of equal items."""
    convert = compiler.converter(static)
    key = equality.key

    def distinct(items: list[Item]) -> list[Item]:
        if len(items) < 2:
            return items
        if all(item.__class__ is str for item in items):
            return list(dict.fromkeys(items))
        seen: set[Any] = set()
        out: list[Item] = []
        for item in items:
            value = convert(item)
            mark = (None, id(item)) if value is None else key(value)
            if mark not in seen:
                seen.add(mark)
                out.append(item)
        return out

    return distinct


_OPERATORS: dict[str, Callable[[Compiler, Binary, Code, Code], Code]] = {
    "xor": _xor,
    "implies": _implies,
    "=": _equal,
    "!=": _unequal,
    "~": _equivalent,
    "!~": _equivalent,
    "<": _ordered,
    "<=": _ordered,
    ">": _ordered,
    ">=": _ordered,
    "+": _arithmetic,
    "-": _arithmetic,
    "*": _arithmetic,
    "/": _arithmetic,
    "div": _arithmetic,
    "mod": _arithmetic,
    "&": _concatenation,
    "in": _in,
    "contains": _contains,
}
