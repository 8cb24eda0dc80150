"""Exact figures of a sample: mean, quantiles, shares. Nothing is a float before it is rounded.

The p-quantile is the value below which a share p of the sample lies: the k-th smallest, k the next whole
number above np; where np is whole, the middle of the np-th and the next (definition 2 of Hyndman and Fan
1996).
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

Value: TypeAlias = Fraction | int

HALF = Fraction(1, 2)


def mean(values: Sequence[Value]) -> Fraction:
    """Return the arithmetic mean. Raises ZeroDivisionError of nothing."""
    return Fraction(sum(values)) / len(values)


def lowest(values: Sequence[Value]) -> Value:
    """Return the smallest. Raises ValueError of nothing."""
    return min(values)


def highest(values: Sequence[Value]) -> Value:
    """Return the greatest. Raises ValueError of nothing."""
    return max(values)


def quantile(values: Sequence[Value], share: Fraction) -> Fraction:
    """Return the quantile at `share`, above 0 and below 1. Raises IndexError of nothing."""
    ordered = sorted(values)
    place = len(ordered) * share
    whole = place.numerator // place.denominator
    if place.denominator == 1:
        return Fraction(ordered[whole - 1] + ordered[whole]) / 2
    return Fraction(ordered[whole])


def first_quartile(values: Sequence[Value]) -> Value:
    """Return the value that a quarter lies below."""
    return quantile(values, Fraction(1, 4))


def median(values: Sequence[Value]) -> Value:
    """Return the value that half lies below."""
    return quantile(values, HALF)


def third_quartile(values: Sequence[Value]) -> Value:
    """Return the value that three quarters lie below."""
    return quantile(values, Fraction(3, 4))


def rounded(value: Value) -> int:
    """Return the nearest whole number; a half goes away from zero."""
    away = int(abs(Fraction(value)) + HALF)
    return away if value >= 0 else -away


def percentage(part: int, whole: int) -> int | None:
    """Return a share as a whole percentage; None of nothing."""
    return rounded(Fraction(100 * part, whole)) if whole else None
