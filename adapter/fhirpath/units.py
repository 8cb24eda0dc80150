"""Units of measure: how much of its base a UCUM unit is, and what calendar words mean.

The unit definitions are `ucumvert`'s (over `pint`), loaded when a unit other than the usual few is first
asked for. They compute in binary floating point; a factor is therefore rounded to 13 digits, and two values
in different units count as equal if they agree to 12. UCUM 2.1; FHIRPath 2.0.0, "Time-valued Quantities".
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

LONGEST_UNIT = 64
"""Characters of a unit that is looked up; anything longer is only ever equal to itself."""

_FACTOR_DIGITS = 13


@dataclass(frozen=True, slots=True)
class Measure:
    """What a unit measures: `value * factor + offset` in base units of `dimension`."""

    dimension: str
    factor: Decimal
    offset: Decimal = Decimal(0)


_TIME = "[time]"
_USUAL = {
    "1": ("", "1"), "%": ("", "0.01"), "": ("", "1"),
    "s": (_TIME, "1"), "ms": (_TIME, "0.001"), "min": (_TIME, "60"), "h": (_TIME, "3600"),
    "d": (_TIME, "86400"), "wk": (_TIME, "604800"), "mo": (_TIME, "2629800"), "a": (_TIME, "31557600"),
    "L": ("[length] ** 3", "0.001"), "dL": ("[length] ** 3", "0.0001"), "mL": ("[length] ** 3", "0.000001"),
    "m": ("[length]", "1"), "cm": ("[length]", "0.01"), "mm": ("[length]", "0.001"),
    "km": ("[length]", "1000"),
    "kg": ("[mass]", "1"), "g": ("[mass]", "0.001"), "mg": ("[mass]", "0.000001"),
    "ug": ("[mass]", "0.000000001"), "[lb_av]": ("[mass]", "0.45359237"),
    "[in_i]": ("[length]", "0.0254"), "[ft_i]": ("[length]", "0.3048"),
}  # fmt: skip
"""Units met every day, so that most comparisons need no library. UCUM 2.1 tables."""

CALENDAR_OF_UCUM = {
    "a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second",
    "ms": "millisecond",
}  # fmt: skip
"""R4 fhirpath.html, "Use of FHIR Quantity": the calendar word for a UCUM unit of time."""

UCUM_OF_CALENDAR = {word: code for code, word in CALENDAR_OF_UCUM.items()}

_CALENDAR_SECONDS = {
    "week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1, "month": 30 * 86_400,
    "year": 365 * 86_400,
}  # fmt: skip


@lru_cache(maxsize=512)
def measure(unit: str) -> Measure | None:
    """Return what a UCUM `unit` measures; None if it is no UCUM unit or is not linear (pH, decibel)."""
    usual = _USUAL.get(unit)
    if usual is not None:
        return Measure(usual[0], Decimal(usual[1]))
    if len(unit) > LONGEST_UNIT or not unit.isascii():
        return None
    if unit.startswith("{") and unit.endswith("}") and "{" not in unit[1:]:
        return Measure("", Decimal(1))
    return looked_up(unit)


def calendar_measure(word: str) -> Measure:
    """Return what a calendar word measures; year and month keep apart from definite time."""
    if word == "millisecond":
        return Measure(_TIME, Decimal("0.001"))
    return Measure(_TIME, Decimal(_CALENDAR_SECONDS[word]))


@cache
def _registry() -> Any:  # noqa: ANN401
    """Load the library; its registry has no types to speak of."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ucumvert import PintUcumRegistry  # type: ignore[import-untyped]

        return PintUcumRegistry()


def usual() -> tuple[str, ...]:
    """The units that need no library."""
    return tuple(_USUAL)


def looked_up(unit: str) -> Measure | None:
    """Ask the library what a unit measures; None if it does not know, or the unit is not linear."""
    registry = _registry()
    try:
        parsed = registry.from_ucum(unit)
        scale = parsed.magnitude
        points = [registry.Quantity(scale * at, parsed.units).to_base_units() for at in (0, 1, 2)]
        low, one, two = (Decimal(repr(float(point.magnitude))) for point in points)
        dimension = str(points[1].dimensionality)
    # The library has no common class for what a bad unit can raise: it parses with lark, computes with pint.
    except Exception:
        return None
    factor = _rounded(one - low)
    if not factor.is_finite() or not low.is_finite() or factor <= 0:
        return None
    if abs((two - one) - (one - low)) > abs(factor) * Decimal("1e-9"):
        return None
    return Measure("" if dimension == "dimensionless" else dimension, factor, _rounded(low))


def _rounded(value: Decimal) -> Decimal:
    """Cut the noise of binary fractions off."""
    return Decimal(f"{value:.{_FACTOR_DIGITS - 1}e}").normalize() if value.is_finite() else value
