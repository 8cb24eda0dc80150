"""Units: our table of the usual ones says what the library says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from adapter.fhirpath import compile_expression, units


@pytest.mark.parametrize("unit", sorted(set(units.usual()) - {"", "1"}))
def test_the_usual_units_are_as_the_library_has_them(unit: str) -> None:
    """A unit of our own table measures what the UCUM library says it does."""
    known, looked_up = units.measure(unit), units.looked_up(unit)

    assert known is not None
    assert looked_up is not None
    assert (known.dimension, known.offset) == (looked_up.dimension, looked_up.offset)
    assert abs(known.factor / looked_up.factor - 1) < Decimal("1e-12")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5 'mmol/L' = 0.005 'mol/L'", True),
        ("1 'kcal' > 4 'kJ'", True),
        ("1 'ug/dL' = 10 'ug/L'", True),
        ("10 '10*3/uL' = 10000 '/uL'", True),
        ("1 'g/(24.h)' = 1 'g/d'", True),
        ("7 '[pH]' = 7.0 '[pH]'", True),
        ("7 '[pH]' = 7 'mol'", False),
        ("1 'no such' = 1 'no such'", True),
        ("3 'h' > 100 'min'", True),
        ("0 'Cel' = 32 '[degF]'", True),
    ],
)
def test_quantities_compare_across_units(expression: str, expected: bool) -> None:
    """Two quantities of one dimension compare by what they measure; an unknown unit only with itself."""
    assert compile_expression(expression)({}) == [expected]
