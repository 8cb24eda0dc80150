"""Operands: a piece in the form in which an operator or function wants it.

One item at most, System values, whole numbers, truth. FHIRPath 2.0.0, "Singleton Evaluation of
Collections"; R4 fhirpath.html, "Using FHIR types in expressions".
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from adapter.fhirpath.code import Code, Static, mapped
from adapter.fhirpath.equality import key
from adapter.fhirpath.faults import malformed
from adapter.fhirpath.kinds import is_open, system_of
from adapter.fhirpath.plain import plain, reading, type_of
from adapter.fhirpath.values import Element, Quantity

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Tree
    from adapter.fhirpath.values import Item

    ScalarClosure = Callable[[Item, Run], Item | None]
    Truth = Callable[[Item, Run], bool | None]

UNIT_STEPS = 50
"""What it may cost to find out what a unit measures."""


def at_most_one(compilation: Compilation, tree: Tree, code: Code, function: str) -> Code:
    """A scalar of a list; more than one item is an error of the run, FP301."""
    if code.is_scalar:
        return code
    several = code.many
    text, offset = compilation.text, tree.place

    def one(this: Item, run: Run) -> Item | None:
        items = several(this, run)
        if not items:
            return None
        if len(items) > 1:
            raise malformed("FP301", text, offset, function=function, found=len(items))
        return items[0]

    return Code(code.static.one, one=one, tree=code.tree)


def converter(static: Static) -> Callable[[Item], Item | None]:
    """What turns an item of `static` into its System value; elements with parts stay dicts."""
    only = static.only
    if only is None or is_open(only):
        return plain
    change = reading(only)
    if change is None:
        return _unwrap

    def converted(item: Item) -> Item | None:
        value = item.value if item.__class__ is Element else item
        return None if value is None else change(value)

    return converted


def _unwrap(item: Item) -> Item | None:
    return item.value if item.__class__ is Element else item


def keyed(static: Static) -> Callable[[Item], Hashable]:
    """What gives the key by which equal items are known; an item without a value equals itself alone."""
    convert = converter(static)

    def mark(item: Item) -> Hashable:
        value = convert(item)
        return (None, id(item)) if value is None else key(value)

    return mark


def keys_of(code: Code) -> Callable[[Item, Run], list[Hashable]]:
    """A closure that gives the key of every item."""
    several, mark = code.many, keyed(code.static)

    def keys(this: Item, run: Run) -> list[Hashable]:
        items = several(this, run)
        run.charge(len(items))
        return [mark(item) for item in items]

    return keys


def is_system(code: Code) -> bool:
    """True if the items are System values as they come."""
    only = code.static.only
    return code.constant is not None or (only is not None and only.startswith("System."))


def system_one(code: Code) -> ScalarClosure:
    """A scalar closure of System values. `code` must be a scalar."""
    inner = code.one
    if is_system(code):
        return inner
    convert = converter(code.static)
    if convert is _unwrap:
        # The usual case, strings and booleans, without a call for each value.
        def unwrapped(this: Item, run: Run) -> Item | None:
            item = inner(this, run)
            return item.value if item.__class__ is Element else item

        return unwrapped

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        return None if item is None else convert(item)

    return one


def system_many(code: Code) -> Callable[[Item, Run], list[Item]]:
    """A list closure of System values."""
    several = code.many
    if is_system(code):
        return several
    convert = converter(code.static)

    def many(this: Item, run: Run) -> list[Item]:
        items = several(this, run)
        return [value for item in items if (value := convert(item)) is not None] if items else items

    return many


def system_values(code: Code) -> Code:
    """The System values of FHIR primitives, as getValue() gives them."""
    types = code.static.types
    kinds = [None] if types is None else [system_of(kind) for kind in types]
    systems = None if None in kinds else tuple(dict.fromkeys(f"System.{kind}" for kind in kinds))
    return mapped(code, Static(systems, is_single=code.is_scalar), converter(code.static))


def integer_of(compilation: Compilation, tree: Tree, code: Code, function: str) -> ScalarClosure:
    """A scalar closure that gives an Integer or nothing; anything else is an error, FP303."""
    inner = system_one(at_most_one(compilation, tree, code, function))
    if code.static.only == "System.Integer":
        return inner
    text, offset = compilation.text, tree.place

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item is None or item.__class__ is int:
            return item
        if isinstance(item, Decimal) and item == item.to_integral_value():
            return int(item)
        raise malformed("FP303", text, offset, function=function, expected="Integer", found=said(item))

    return one


def truth(compilation: Compilation, tree: Tree, code: Code, function: str) -> Truth:
    """A closure that gives True, False or None for a condition.

    One item that is no Boolean counts as True; several are an error, FP301.
    FHIRPath 2.0.0, "Singleton Evaluation of Collections".
    """
    scalar = at_most_one(compilation, tree, code, function)
    inner = system_one(scalar)
    if code.static.only == "System.Boolean":
        return inner
    if code.static.only == "boolean":

        def from_boolean(this: Item, run: Run) -> bool | None:
            item = inner(this, run)
            return item if item is None or item.__class__ is bool else True

        return from_boolean
    raw = scalar.one

    def boolean(this: Item, run: Run) -> bool | None:
        item = inner(this, run)
        if item is None:
            # A primitive that only has extensions is an item, though it has no value.
            return None if raw(this, run) is None else True
        return item if item.__class__ is bool else True

    return boolean


def paired(
    first: ScalarClosure, second: ScalarClosure, compute: Callable[[Item, Item], Item | None]
) -> ScalarClosure:
    """A closure that computes something of two values, and nothing if one of them is absent."""

    def one(this: Item, run: Run) -> Item | None:
        left = first(this, run)
        if left is None:
            return None
        right = second(this, run)
        return None if right is None else compute(left, right)

    return one


def measured(inner: ScalarClosure) -> ScalarClosure:
    """The same closure, paying for a quantity: whoever computes with it must look up its unit."""

    def one(this: Item, run: Run) -> Item | None:
        item = inner(this, run)
        if item.__class__ is Quantity:
            run.charge(UNIT_STEPS)
        return item

    return one


def said(item: Item) -> str:
    """Name the type of an item for a message, never the item."""
    return (type_of(item) or "Element").removeprefix("System.")
