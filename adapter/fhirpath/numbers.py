"""Numbers: Integer of 32 bits and Decimal, exact to 34 digits.

What overflows, or has no answer (division by zero, the root of a negative number), is empty, never an
error and never infinite. FHIRPath 2.0.0, "Math".
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
)
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Number = int | Decimal

_EXACT = Context(prec=34, Emax=999, Emin=-999, traps=[InvalidOperation, DivisionByZero, Overflow])
_WIDE = Context(prec=44, Emax=9999, Emin=-9999, traps=[InvalidOperation, DivisionByZero, Overflow])
_MAX_INTEGER, _MIN_INTEGER = 2**31 - 1, -(2**31)
_MOST_DIGITS = 31
"""Decimal places a boundary may have. FHIRPath: above the implementation's precision the result is empty."""


def integer(value: int) -> int | None:
    """Return `value` if a FHIRPath Integer can hold it."""
    return value if _MIN_INTEGER <= value <= _MAX_INTEGER else None


def _decimal(value: Number) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value)


def _both(
    left: Number, right: Number, on_integers: Callable[[int, int], int], on_decimals: str
) -> Number | None:
    if isinstance(left, int) and isinstance(right, int):
        return integer(on_integers(left, right))
    try:
        result: Decimal = getattr(_EXACT, on_decimals)(_decimal(left), _decimal(right))
    except DecimalException:
        return None
    return result


def add(left: Number, right: Number) -> Number | None:
    """`+`."""
    return _both(left, right, int.__add__, "add")


def subtract(left: Number, right: Number) -> Number | None:
    """`-`."""
    return _both(left, right, int.__sub__, "subtract")


def multiply(left: Number, right: Number) -> Number | None:
    """`*`."""
    return _both(left, right, int.__mul__, "multiply")


def divide(left: Number, right: Number) -> Decimal | None:
    """`/`: always a Decimal; None if divided by zero."""
    try:
        return _EXACT.divide(_decimal(left), _decimal(right))
    except DecimalException:
        return None


def negated(value: Number) -> Number | None:
    """The number with its sign turned, every digit kept; zero has no sign."""
    if isinstance(value, int):
        return integer(-value)
    return value.copy_negate() if value else value.copy_abs()


def whole_divide(left: Number, right: Number) -> int | None:
    """`div`: truncated towards zero."""
    try:
        return integer(int(_EXACT.divide_int(_decimal(left), _decimal(right))))
    except DecimalException:
        return None


def remainder(left: Number, right: Number) -> Number | None:
    """What is left of a division, with the sign of the left operand: `mod`."""
    try:
        result = _EXACT.remainder(_decimal(left), _decimal(right))
    except DecimalException:
        return None
    return int(result) if isinstance(left, int) and isinstance(right, int) else result


def _whole(value: Number, rounding: str) -> int | None:
    return integer(int(_decimal(value).to_integral_value(rounding)))


def ceiling(value: Number) -> int | None:
    """The least integer not below."""
    return _whole(value, ROUND_CEILING)


def floor(value: Number) -> int | None:
    """The greatest integer not above."""
    return _whole(value, ROUND_FLOOR)


def truncate(value: Number) -> int | None:
    """The integer part."""
    return _whole(value, ROUND_DOWN)


def rounded(value: Number, places: int = 0) -> Decimal | None:
    """Round half away from zero. The result keeps no more places than the value had."""
    number = _decimal(value)
    if -_exponent(number) <= places:
        return number
    try:
        return number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _WIDE)
    except DecimalException:
        return None


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _finished(compute: Callable[[], Decimal]) -> Decimal | None:
    """Compute with room to spare, then round the noise off."""
    try:
        result = Context(prec=28, Emax=999, Emin=-999, traps=[Overflow]).plus(compute())
    except DecimalException:
        return None
    if not result.is_finite():
        return None
    plain = result.normalize()
    return plain.quantize(Decimal(1)) if _exponent(plain) > 0 and abs(plain) < Decimal("1e28") else plain


def square_root(value: Number) -> Decimal | None:
    """The square root; None of a negative number."""
    return _finished(lambda: _WIDE.sqrt(_decimal(value)))


def natural_logarithm(value: Number) -> Decimal | None:
    """The logarithm to base e; None unless positive."""
    number = _decimal(value)
    return _finished(lambda: _WIDE.ln(number)) if number > 0 else None


def logarithm(value: Number, base: Number) -> Decimal | None:
    """The logarithm to `base`."""
    number, root = _decimal(value), _decimal(base)
    if number <= 0 or root <= 0 or root == 1:
        return None
    return _finished(lambda: _WIDE.divide(_WIDE.ln(number), _WIDE.ln(root)))


def exponential(value: Number) -> Decimal | None:
    """E to the power of `value`."""
    number = _decimal(value)
    return _finished(lambda: _WIDE.exp(number)) if abs(number) < 3_000 else None


def power(base: Number, exponent: Number) -> Number | None:
    """`base` to the `exponent`; an Integer of two Integers where it is whole."""
    number, index = _decimal(base), _decimal(exponent)
    if number == 0 and index == 0:
        result: Decimal | None = Decimal(1)
    elif abs(index) > 4_000:
        return None
    else:
        result = _finished(lambda: _WIDE.power(number, index))
    if result is not None and isinstance(base, int) and isinstance(exponent, int) and exponent >= 0:
        return integer(int(result))
    return result


def precision(value: Number) -> int:
    """Count the digits after the decimal point, as FHIRPath's own function of that name does."""
    return 0 if isinstance(value, int) else max(0, -_exponent(value))


def boundary(value: Number, digits: int | None, *, high: bool) -> Decimal | None:
    """The least or greatest number that `value`, as written, may stand for, to `digits` places.

    Half of the last place is added or taken. Cutting to fewer places rounds a high boundary half up and
    truncates a low one, on the absolute value and mirrored for negative numbers: so the standard's examples
    (`1.587.lowBoundary(2)` is 1.58, `.highBoundary(2)` 1.59).
    """
    places = 8 if digits is None else digits
    if not 0 <= places <= _MOST_DIGITS:
        return None
    number = _decimal(value)
    if number.is_signed() and number != 0:
        mirrored = boundary(number.copy_abs(), places, high=not high)
        return None if mirrored is None else _unsigned_zero(mirrored.copy_negate())
    half = Decimal(5).scaleb(min(_exponent(number), 0) - 1)
    try:
        edge = _WIDE.add(number, half) if high else _WIDE.subtract(number, half)
        rounding = ROUND_HALF_UP if high else ROUND_DOWN
        return _unsigned_zero(edge.quantize(Decimal(1).scaleb(-places), rounding, _WIDE))
    except DecimalException:
        return None


def _unsigned_zero(value: Decimal) -> Decimal:
    return value.copy_abs() if value == 0 else value


def written(value: Decimal) -> str:
    """A decimal without exponent, as FHIRPath writes it."""
    return Decimal.__format__(value, "f")
