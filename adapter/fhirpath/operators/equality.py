"""Equality and equivalence: `=`, `!=`, `~`, `!~`. FHIRPath 2.0.0, "Equality"."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from adapter.fhirpath.code import BOOLEAN, Code, constant
from adapter.fhirpath.equality import collections_equal, collections_equivalent, equal
from adapter.fhirpath.kinds import system_of
from adapter.fhirpath.operands import measured, paired, system_many, system_one
from adapter.fhirpath.values import Element

if TYPE_CHECKING:
    from adapter.fhirpath.compilation import Compilation
    from adapter.fhirpath.run import Run
    from adapter.fhirpath.tree import Binary
    from adapter.fhirpath.values import Item

_ELEMENT_STEPS = 16
"""What it may cost to compare two elements with parts."""
_EXACT = frozenset({"String", "Integer", "Boolean", "Decimal"})
"""Types of which Python's own `==` on System values is FHIRPath's."""


def _is_exact(left: Code, right: Code) -> bool:
    kind = system_of(left.static.only)
    return kind in _EXACT and kind == system_of(right.static.only)


def equality(_compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `=` or `!=`."""
    negate = tree.operator == "!="
    if left.static.types == () or right.static.types == ():
        return constant([], ("System.Boolean",))
    if not (left.is_scalar and right.is_scalar):
        return _of_collections(left, right, negate=negate)
    first, second = system_one(left), system_one(right)
    if not _is_exact(left, right):
        return Code(BOOLEAN, one=paired(measured(first), second, _unequal if negate else equal))
    if right.constant:
        value = right.constant[0]

        def to_constant(this: Item, run: Run) -> bool | None:
            one = first(this, run)
            return None if one is None else (one == value) is not negate

        return Code(BOOLEAN, one=to_constant)
    return Code(BOOLEAN, one=paired(first, second, operator.ne if negate else operator.eq))


def _unequal(left: Item, right: Item) -> bool | None:
    answer = equal(left, right)
    return answer if answer is None else not answer


def _of_collections(left: Code, right: Code, *, negate: bool) -> Code:
    if left.is_scalar:
        left, right = right, left
    if right.is_scalar and _is_exact(left, right):
        return _of_many_and_one(left, right, negate=negate)
    first, second = system_many(left), system_many(right)

    def collections(this: Item, run: Run) -> bool | None:
        ones = first(this, run)
        if not ones:
            return None
        others = second(this, run)
        run.left -= len(ones)
        if run.left < 0:
            run.pay()
        answer = collections_equal(ones, others)
        return answer if answer is None else answer is not negate

    return Code(BOOLEAN, one=collections)


def _of_many_and_one(left: Code, right: Code, *, negate: bool) -> Code:
    """Compile `coding.code = 'x'`: several on one side are unequal whatever they are."""
    several, second = left.many, system_one(right)

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


def equivalence(_compilation: Compilation, tree: Binary, left: Code, right: Code) -> Code:
    """Compile `~` or `!~`."""
    first, second = system_many(left), system_many(right)
    negate = tree.operator == "!~"

    def one(this: Item, run: Run) -> bool | None:
        ones, others = first(this, run), second(this, run)
        pairs = len(ones) * len(others)
        run.charge(pairs * _ELEMENT_STEPS if pairs and isinstance(ones[0], dict) else pairs)
        return collections_equivalent(ones, others) is not negate

    return Code(BOOLEAN, one=one)
